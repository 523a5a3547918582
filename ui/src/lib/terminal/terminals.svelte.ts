// The terminals of this window: which sessions exist, which was used last, and what can be done to a tab. xterm itself
// is loaded when the first one is shown. Bounded: sessions nobody looks at are closed, oldest first; the agent keeps
// their scrollback, so showing one again reads it anew.
import { SvelteSet } from 'svelte/reactivity';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { PhaseName, Process, ProcessId, WorkspaceId } from '../wire';
import type { Session } from './session';

const MAX_SESSIONS = 8;
export const FONT = { least: 8, usual: 13, most: 32 };

const RESTARTS: Partial<Record<Process['role'], PhaseName>> = { app: 'start', install: 'install', build: 'build' };

export class Terminals {
  /** Keys of tabs whose bell rang while another was in front. */
  bells = new SvelteSet<string>();
  /** The search bar is open. */
  finding = $state(false);
  found = $state.raw<{ at: number; of: number }>({ at: 0, of: 0 });
  /** Type size, pixels; the setting until changed here. */
  zoom = $state(0);
  active = $state.raw<Session | null>(null);
  /** The tab whose terminal gets the focus as soon as it stands on the page. */
  awaited: string | null = null;
  #app: App;
  #sessions = new Map<string, Session>();

  constructor(app: App) {
    this.#app = app;
  }

  get fontPx(): number {
    const base = this.#app.store.settings?.terminal_font_px ?? FONT.usual;
    return Math.min(FONT.most, Math.max(FONT.least, base + this.zoom));
  }

  key(process: Process): string {
    return `${process.workspace}/${process.id}`;
  }

  /** The session of a process, made when there is none. */
  async open(process: Process): Promise<Session> {
    const { Session } = await import('./session');
    const key = this.key(process);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = new Session(this.#app, process, this.fontPx);
      session.onBell = () => {
        if (this.active?.key !== key) this.bells.add(key);
      };
      session.onFound = (at, of) => {
        if (this.active?.key === key) this.found = { at, of };
      };
    } else {
      this.#sessions.delete(key);
    }
    this.#sessions.set(key, session);
    this.#trim(key);
    return session;
  }

  #trim(current: string): void {
    for (const [key, session] of this.#sessions) {
      if (this.#sessions.size <= MAX_SESSIONS) return;
      if (key !== current && session !== this.active) this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#sessions.get(key)?.dispose();
    this.#sessions.delete(key);
    this.bells.delete(key);
  }

  /** Closes sessions whose process is gone. */
  sweep(id: WorkspaceId, processes: Process[]): void {
    for (const key of this.#sessions.keys()) {
      if (key.startsWith(`${id}/`) && !processes.some((process) => this.key(process) === key)) this.#drop(key);
    }
  }

  closeAll(): void {
    for (const key of [...this.#sessions.keys()]) this.#drop(key);
  }

  resizeType(by: number | null): void {
    this.zoom =
      by === null ? 0 : this.fontPx + by < FONT.least || this.fontPx + by > FONT.most ? this.zoom : this.zoom + by;
    for (const session of this.#sessions.values()) session.setFont(this.fontPx);
  }

  applySettings(): void {
    for (const session of this.#sessions.values()) session.setFont(this.fontPx);
  }

  applyTheme(): void {
    for (const session of this.#sessions.values()) session.setTheme();
  }

  /** Opens a shell, or the command given, and brings its tab in front. */
  async openShell(id: WorkspaceId, argv: string[] = [], name?: string): Promise<void> {
    const size = this.active?.size ?? { columns: 80, rows: 24 };
    const opened = await this.#app.act.attempt(
      this.#app.backend.call('process.open', { id, argv, env: {}, terminal: size, stdin: false, name }),
    );
    if (opened === undefined) return;
    const room = this.#app.store.openRoom(id);
    if (!room.processes.some((process) => process.id === opened.id)) this.#app.store.putProcess(opened);
    this.show(id, opened.id);
    this.focusOn(opened);
  }

  /** Moves the focus into a process's terminal, now or when it is there. */
  focusOn(process: Process): void {
    if (this.active?.key === this.key(process)) this.active.focus();
    else this.awaited = this.key(process);
  }

  show(id: WorkspaceId, process: ProcessId): void {
    this.#app.view.tabs[id] = process;
    if (this.#app.view.layout !== 'all' && this.#app.view.layout !== 'terminal')
      this.#app.view.place({ layout: 'all' });
    this.#app.view.dialog = null;
  }

  /** Runs what ended again: a step of the plan from that step on, anything else as a new process. */
  async restart(process: Process): Promise<void> {
    const from = RESTARTS[process.role];
    if (from !== undefined) {
      await this.#app.act.redeploy(process.workspace, from);
      return;
    }
    const argv = process.role === 'exec' && process.command !== '' ? ['/bin/sh', '-c', process.command] : [];
    await this.openShell(process.workspace, argv, process.name);
    if (process.exit !== null) await this.#end(process);
  }

  /** Closes a tab; asks first when a program of the plan still runs in it. */
  close(process: Process): void {
    if (process.exit !== null || process.role === 'terminal' || process.role === 'exec') {
      void this.#end(process);
      return;
    }
    this.#app.view.dialog = {
      kind: 'confirm',
      title: t.terminal.closeTitle(this.nameOf(process)),
      text: t.terminal.closeText,
      act: t.terminal.closeDo,
      danger: true,
      run: () => void this.#end(process),
    };
  }

  async #end({ workspace: id, id: process }: Process): Promise<void> {
    const ended = await this.#app.act.attempt(
      this.#app.backend.call('process.close', { id, process }).then(() => true),
    );
    if (!ended) return;
    this.#drop(`${id}/${process}`);
    // No event tells that a transcript was dropped, so the list is read again.
    await this.#app.act.attempt(this.#app.feed.openRoom(id, true));
  }

  nameOf(process: Process): string {
    return this.#app.view.tabNames[this.key(process)] ?? process.name;
  }

  askRename(process: Process): void {
    this.#app.view.dialog = {
      kind: 'ask',
      title: t.terminal.renameTitle,
      label: t.workspace.renameLabel,
      value: this.nameOf(process),
      act: t.workspace.renameDo,
      check: (name) => (name.length >= 1 && name.length <= 40 ? null : t.workspace.renameInvalid),
      run: (name) => this.#app.view.nameTab(process.workspace, process.id, name),
    };
  }
}
