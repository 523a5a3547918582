// The terminals of this window: which sessions exist, which was used last, and what can be done to a tab. xterm itself
// is loaded when the first one is shown. Bounded: sessions nobody looks at are closed, oldest first; the agent keeps
// their scrollback, so showing one again reads it anew.
import { SvelteSet } from 'svelte/reactivity';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { PhaseName, Process, ProcessId, WorkspaceId } from '../wire';
import { Places } from './places';
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
  /** Tabs whose program ran before this window looked at it. */
  restored = new SvelteSet<string>();
  readonly places: Places;
  /** Started by this window: nothing of them was there before. */
  #own = new Set<string>();
  /** The tab whose terminal gets the focus as soon as it stands on the page. */
  awaited: string | null = null;
  #app: App;
  #sessions = new Map<string, Session>();

  constructor(app: App) {
    this.#app = app;
    this.places = new Places(app.backend);
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
      session.onRestored = () => {
        if (!this.#own.has(key) && process.exit === null) this.restored.add(key);
      };
      session.onLine = () => {
        if (process.role === 'terminal') this.places.sent(key, process);
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
    this.restored.delete(key);
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
  async openShell(id: WorkspaceId, argv: string[] = [], name?: string, cwd?: string): Promise<Process | undefined> {
    const size = this.active?.size ?? { columns: 80, rows: 24 };
    const opened = await this.#app.act.attempt(
      this.#app.backend.call('process.open', { id, argv, env: {}, terminal: size, stdin: false, name, cwd }),
    );
    if (opened === undefined) return;
    this.#own.add(this.key(opened));
    const room = this.#app.store.openRoom(id);
    if (!room.processes.some((process) => process.id === opened.id)) this.#app.store.putProcess(opened);
    this.show(id, opened.id);
    this.focusOn(opened);
    return opened;
  }

  /** Moves the focus into a process's terminal, now or when it is there. */
  focusOn(process: Process): void {
    const session = this.#sessions.get(this.key(process));
    if (session?.element.isConnected) session.focus();
    else this.awaited = this.key(process);
  }

  show(id: WorkspaceId, process: ProcessId): void {
    const { view } = this.#app;
    const { tabs, beside } = view;
    // What stands beside stays there; what is chosen takes the half that was used last.
    if (beside[id] !== process && (beside[id] === undefined || view.half === 'first')) tabs[id] = process;
    else if (tabs[id] !== process) beside[id] = process;
    view.half = beside[id] === process ? 'second' : 'first';
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
    const key = this.key(process);
    const { view } = this.#app;
    const given = view.tabNames[key];
    const opened = await this.openShell(process.workspace, argv, process.name, this.places.of(key));
    if (opened === undefined) return;
    if (given !== undefined) view.nameTab(process.workspace, opened.id, given);
    view.order.replace(process.workspace, process.id, opened.id);
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
    this.places.forget(`${id}/${process}`);
    if (this.#app.view.beside[id] === process) delete this.#app.view.beside[id];
    // No event tells that a transcript was dropped, so the list is read again.
    await this.#app.act.attempt(this.#app.feed.openRoom(id, true));
  }

  /** The processes of a workspace in the order of their tabs. */
  listed(id: WorkspaceId): Process[] {
    return this.#app.view.order.sorted(id, this.#app.store.room(id)?.processes ?? []);
  }

  /** Shows a tab in the second half; without one, a new shell. */
  async split(id: WorkspaceId, process?: Process): Promise<void> {
    const { view } = this.#app;
    const first = view.tabs[id] ?? this.active?.process.id;
    const opened = process ?? (await this.#openBeside(id));
    if (opened === undefined) return;
    if (opened.id === first) {
      // It cannot stand in both: another one takes the first half.
      const other = this.listed(id).find((one) => one.id !== opened.id && one.id !== view.beside[id]);
      if (other === undefined) return;
      view.tabs[id] = other.id;
    } else if (first !== undefined) view.tabs[id] = first;
    view.beside[id] = opened.id;
    view.half = 'second';
    this.focusOn(opened);
  }

  async #openBeside(id: WorkspaceId): Promise<Process | undefined> {
    const first = this.#app.view.tabs[id] ?? this.active?.process.id;
    const opened = await this.openShell(id);
    if (opened !== undefined && first !== undefined) this.#app.view.tabs[id] = first;
    return opened;
  }

  /** One half again: what is in the second stays as a tab. */
  join(id: WorkspaceId): void {
    delete this.#app.view.beside[id];
    this.#app.view.half = 'first';
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
