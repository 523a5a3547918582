// What was typed against what is in the container: theirs is shown above mine, piece by piece, each to be kept or taken.
// Loaded when somebody compares.
import { unifiedMergeView } from '@codemirror/merge';
import type { Extension } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { t } from '../messages';

const look = EditorView.theme({
  '&.cm-merge-b .cm-changedLine, .cm-inlineChangedLine': { backgroundColor: 'var(--ok-soft)' },
  '.cm-deletedChunk': { backgroundColor: 'var(--bad-soft)', paddingLeft: '6px' },
  '&.cm-merge-b .cm-changedText': { background: 'none', textDecoration: 'underline', textUnderlineOffset: '3px' },
  '.cm-deletedChunk .cm-deletedText': { background: 'none', textDecoration: 'underline', textUnderlineOffset: '3px' },
  '.cm-changedLineGutter, &.cm-merge-b .cm-changedLineGutter': { background: 'var(--ok)' },
  '.cm-deletedLineGutter': { background: 'var(--bad)' },
  // The library's own buttons are white on colours of their own.
  '.cm-deletedChunk button': {
    border: '1px solid var(--line-strong)',
    background: 'var(--raised)',
    color: 'var(--text)',
    font: 'var(--text-xs)/22px var(--font-ui)',
  },
  '.cm-deletedChunk button:hover': { background: 'var(--hover)' },
  '.cm-chunkButtons': { position: 'absolute', insetInlineEnd: '8px', display: 'flex', gap: '4px' },
});

function button(type: 'accept' | 'reject', action: (event: MouseEvent) => void): HTMLElement {
  const made = document.createElement('button');
  made.className = 'button small';
  made.textContent = type === 'accept' ? t.editor.keepThis : t.editor.takeThis;
  made.dataset.testid = type === 'accept' ? 'keep-this' : 'take-this';
  made.onmousedown = action;
  made.onclick = (event) => {
    // A click by the keyboard has no press before it.
    if (event.detail === 0) action(event);
  };
  return made;
}

export function comparison(theirs: string): Extension {
  return [
    look,
    unifiedMergeView({ original: theirs, mergeControls: button, diffConfig: { scanLimit: 500, timeout: 300 } }),
  ];
}
