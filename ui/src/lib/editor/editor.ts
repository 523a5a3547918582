// CodeMirror 6 with the tokens' colours and a language for the file's name. Loaded when the first file is opened.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  type LanguageSupport,
  syntaxHighlighting,
} from '@codemirror/language';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension, Transaction } from '@codemirror/state';
import {
  crosshairCursor,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  rectangularSelection,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';

const style = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--ansi-magenta)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--ansi-green)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--ansi-yellow)' },
  { tag: [tags.comment, tags.meta], color: 'var(--text-3)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.labelName], color: 'var(--accent)' },
  { tag: [tags.typeName, tags.className, tags.tagName, tags.namespace], color: 'var(--ansi-cyan)' },
  { tag: [tags.attributeName, tags.propertyName], color: 'var(--ansi-blue)' },
  { tag: tags.heading, fontWeight: '600', color: 'var(--text)' },
  { tag: tags.link, color: 'var(--accent)', textDecoration: 'underline' },
  { tag: tags.invalid, color: 'var(--bad)' },
]);

const look = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--term)', fontSize: '12.5px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--text)', padding: '8px 0', userSelect: 'text', WebkitUserSelect: 'text' },
  '.cm-cursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '.cm-gutters': { backgroundColor: 'var(--term)', color: 'var(--text-3)', border: '0', paddingLeft: '4px' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--accent-soft)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--term-selection)',
  },
  '.cm-selectionMatch': { backgroundColor: 'var(--term-match)' },
  '.cm-searchMatch': { backgroundColor: 'var(--term-match)' },
  '.cm-searchMatch-selected': { backgroundColor: 'var(--term-match-active)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': {
    backgroundColor: 'var(--hover)',
    outline: '1px solid var(--line-strong)',
  },
  '.cm-panels': { backgroundColor: 'var(--panel)', color: 'var(--text)', borderColor: 'var(--line)' },
  '.cm-panel input, .cm-panel button': { fontSize: '12px' },
  '.cm-textfield': {
    backgroundColor: 'var(--bg)',
    border: '1px solid var(--control)',
    borderRadius: '6px',
    color: 'var(--text)',
  },
  '.cm-button': {
    backgroundImage: 'none',
    backgroundColor: 'var(--hover)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
  },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--hover)', border: '0', color: 'var(--text-2)' },
});

/** The language by the end of a name; undefined is plain text. */
export async function languageOf(path: string): Promise<LanguageSupport | undefined> {
  const end = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  switch (end) {
    case 'js':
    case 'mjs':
    case 'cjs':
    case 'jsx':
    case 'ts':
    case 'tsx':
    case 'mts':
      return (await import('@codemirror/lang-javascript')).javascript({
        jsx: end.endsWith('x'),
        typescript: end.includes('ts'),
      });
    case 'html':
    case 'htm':
    case 'svelte':
    case 'vue':
      return (await import('@codemirror/lang-html')).html();
    case 'css':
    case 'scss':
      return (await import('@codemirror/lang-css')).css();
    case 'json':
    case 'jsonc':
      return (await import('@codemirror/lang-json')).json();
    case 'py':
      return (await import('@codemirror/lang-python')).python();
    case 'md':
      return (await import('@codemirror/lang-markdown')).markdown();
    default:
      return undefined;
  }
}

/** Where the differences to theirs are put in and taken out. */
const differences = new Compartment();

export function show(view: EditorView, compared: Extension): void {
  view.dispatch({ effects: differences.reconfigure(compared) });
}

/** Changes only what differs, so that the cursor and what is in sight stay. It cannot be undone: nobody typed it. */
export function replace(view: EditorView, text: string): void {
  const before = view.state.doc.toString();
  if (before === text) return;
  const most = Math.min(before.length, text.length);
  let from = 0;
  while (from < most && before.charCodeAt(from) === text.charCodeAt(from)) from += 1;
  let end = 0;
  while (end < most - from && before.charCodeAt(before.length - 1 - end) === text.charCodeAt(text.length - 1 - end)) {
    end += 1;
  }
  view.dispatch({
    changes: { from, to: before.length - end, insert: text.slice(from, text.length - end) },
    annotations: Transaction.addToHistory.of(false),
  });
}

export type EditorOptions = {
  parent: HTMLElement;
  text: string;
  label: string;
  language: LanguageSupport | undefined;
  changed: () => void;
  moved: (line: number, column: number) => void;
  save: () => void;
};

export function makeEditor(options: EditorOptions): EditorView {
  const saved = () => {
    options.save();
    return true;
  };
  const extensions: Extension[] = [
    lineNumbers(),
    highlightActiveLineGutter(),
    history(),
    foldGutter(),
    drawSelection(),
    EditorState.allowMultipleSelections.of(true),
    indentOnInput(),
    bracketMatching(),
    rectangularSelection(),
    crosshairCursor(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    syntaxHighlighting(style),
    look,
    differences.of([]),
    EditorView.contentAttributes.of({ 'aria-label': options.label, tabindex: '0' }),
    keymap.of([
      { key: 'Mod-s', preventDefault: true, run: saved },
      indentWithTab,
      ...searchKeymap,
      ...defaultKeymap,
      ...historyKeymap,
      ...foldKeymap,
    ]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) options.changed();
      if (update.docChanged || update.selectionSet) {
        const head = update.state.selection.main.head;
        const line = update.state.doc.lineAt(head);
        options.moved(line.number, head - line.from + 1);
      }
    }),
  ];
  if (options.language !== undefined) extensions.push(options.language);
  return new EditorView({ parent: options.parent, state: EditorState.create({ doc: options.text, extensions }) });
}
