// The host tab of this window: a shell of this machine, outside every container. There only in the desktop, and only
// while it is switched on there; ends with its tab, its window and the app.
import type { ProcessEnd } from '../backend/frame';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { WindowSize } from '../wire';
import type { Line } from './line';
import type { Session } from './session';

const KEY = 'host';

export class HostTab {
  /** Switched on; null where there is no such thing. */
  allowed = $state<boolean | null>(null);
  /** In front of the workspace's terminals. */
  front = $state(false);
  session = $state.raw<Session | null>(null);
  exit = $state.raw<ProcessEnd | null>(null);
  #app: App;
  #resize: (size: WindowSize) => Promise<unknown> = () => Promise.resolve();

  constructor(app: App) {
    this.#app = app;
  }

  /** Brings it in front, with a shell in it. */
  async show(): Promise<void> {
    if (this.allowed !== true) return;
    this.front = true;
    if (this.session === null) await this.#begin();
  }

  /** A new shell in place of one that ended. */
  async restart(): Promise<void> {
    this.#drop();
    await this.show();
  }

  /** Ends the shell and goes back to the workspace's terminals; asks first while it runs. */
  close(): void {
    if (this.session === null || this.exit !== null) return this.#away();
    this.#app.view.dialog = {
      kind: 'confirm',
      title: t.host.closeTitle,
      text: t.terminal.closeText,
      act: t.terminal.closeDo,
      danger: true,
      run: () => this.#away(),
    };
  }

  /** Told by the desktop. */
  allow(on: boolean | null): void {
    this.allowed = on;
    if (on !== true) this.#away();
  }

  #away(): void {
    this.front = false;
    this.#drop();
  }

  #drop(): void {
    this.session?.dispose();
    this.session = null;
    this.exit = null;
  }

  async #begin(): Promise<void> {
    const { Session } = await import('./session');
    // Two clicks are one shell.
    if (this.session === null) this.session = new Session(this.#app, this.#line(), this.#app.terminals.usualFontPx);
  }

  #line(): Line {
    return {
      key: KEY,
      process: null,
      terminal: true,
      over: () => false,
      written: () => Promise.resolve(0),
      attach: async (_offset, size, sink) => {
        const { resize, ...attachment } = await this.#app.backend.host(size, sink);
        this.#resize = resize;
        return attachment;
      },
      resize: (size) => this.#resize(size),
      follow: (uri) => this.#follow(uri),
      // It ended with its stream: nothing holds it for a second look.
      stays: () => false,
      ended: (exit) => {
        this.exit = exit;
      },
    };
  }

  #follow(uri: string): void {
    if (!URL.canParse(uri)) return;
    const { protocol, href } = new URL(uri);
    if (protocol === 'http:' || protocol === 'https:') void this.#app.act.openExternal(href);
  }
}
