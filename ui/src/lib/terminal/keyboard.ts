// Which keys the terminal leaves to the window. Everything else goes to the program.
import { matches } from '../keys';
import type { App } from '../state/app.svelte';
import type { Session } from './session';

/** Answers xterm: true lets it have the key. */
export function handleKey(app: App, session: Session, event: KeyboardEvent): boolean {
  if (event.type !== 'keydown') return true;
  const is = (shortcut: string) => matches(event, shortcut, app.mac);
  if (is(app.mac ? 'Mod+C' : 'Mod+Shift+C')) {
    const text = session.terminal.getSelection();
    if (text === '') return !app.mac;
    event.preventDefault();
    void app.act.attempt(app.backend.desktop('desktop.clipboard-write', { text }));
    return false;
  }
  if (is(app.mac ? 'Mod+V' : 'Mod+Shift+V')) {
    event.preventDefault();
    void pasteFromClipboard(app, session);
    return false;
  }
  return true;
}

export async function pasteFromClipboard(app: App, session: Session): Promise<void> {
  const read = await app.act.attempt(app.backend.desktop('desktop.clipboard-read', {}));
  if (read !== undefined && read.text !== '') session.paste(read.text);
}
