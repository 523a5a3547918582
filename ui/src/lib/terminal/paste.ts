// Pasting: a program that does not know pastes would run each line at once, so several lines are asked about first.
import type { Terminal } from '@xterm/xterm';
import { t } from '../messages';
import type { App } from '../state/app.svelte';

const SHOWN_LINES = 8;

export function pasteInto(app: App, terminal: Terminal, text: string): void {
  if (text === '') return;
  const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n');
  const runsAtOnce = /[\r\n]/.test(text.replace(/\r?\n$/, ''));
  if (!runsAtOnce || terminal.modes.bracketedPasteMode) {
    terminal.paste(text);
    return;
  }
  app.view.dialog = {
    kind: 'confirm',
    title: t.terminal.pasteTitle(lines.length),
    text: t.terminal.pasteText,
    shown: lines.slice(0, SHOWN_LINES).join('\n') + (lines.length > SHOWN_LINES ? '\n…' : ''),
    act: t.terminal.pasteDo,
    run: () => {
      terminal.paste(text);
      terminal.focus();
    },
  };
}
