// The terminals of this window: which sessions exist, which was used last, and what can be done to a tab. xterm itself
// is loaded when the first one is shown. Bounded: sessions nobody looks at are closed, oldest first; the agent keeps
// their scrollback, so showing one again reads it anew.
import { SvelteSet } from 'svelte/reactivity';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { PhaseName, Process, ProcessId, WindowSize, WorkspaceId } from '../wire';
import { Arrangement } from './arrangement.svelte';
import { HostTab } from './host.svelte';
import { processLine, SCROLLBACK } from './line';
import { Places } from './places';
import type { Session } from './session';
import { Turns } from './turns';

const MAX_SESSIONS = 32;
/** Those shown last keep all their scrollback, for two stand beside each other; all the others share so many lines. */
const SHOWN = 2;
const OTHER_LINES = 10_000;
export const FONT = { least: 8, usual: 13, most: 32 };

const RESTARTS: Partial<Record<Process['role'], PhaseName>> = { app: 'start', install: 'install', build: 'build' };

export class Terminals {
  /** Keys of tabs whose bell rang while another was in front. */
  bells = new SvelteSet<string>();
  /** The search bar is open. */
  finding = $state(false);
  found = $state.raw<{ at: number; of: number }>({ at: 0, of: 0 });
  active = $state.raw<Session | null>(null);
  /** Tabs whose program ran before this window looked at it. */
  restored = new SvelteSet<string>();
  readonly arrangement: Arrangement;
  readonly places: Places;
  readonly host: HostTab;
  /** Whose output is parsed when. */
  readonly turns = new Turns();
  /** Started by this window: nothing of them was there before. */
  #own = new Set<string>();
  /** The tab whose terminal gets the focus as soon as it stands on the page. */
  awaited: string | null = null;
  #app: App;
  #sessions = new Map<string, Session>();

  constructor(app: App) {
    this.#app = app;
    this.arrangement = new Arrangement(app.backend, app.store, (problem) => app.view.complain(problem));
    this.places = new Places(app.backend, this.arrangement);
    this.host = new HostTab(app);
  }

  get usualFontPx(): number {
    return this.#app.store.settings?.terminal_font_px ?? FONT.usual;
  }

  /** Type size in a workspace, pixels: the setting until changed there. */
  fontPx(id: WorkspaceId): number {
    const px = this.arrangement.fontPx(id) ?? this.usualFontPx;
    return Math.min(FONT.most, Math.max(FONT.least, px));
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
      session = new Session(this.#app, processLine(this.#app, process), this.fontPx(process.workspace));
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
    this.#bound(key);
    return session;
  }

  /** The session of a process, where there is one. */
  sessionOf(process: ProcessId): Session | undefined {
    return [...this.#sessions.values()].find((session) => session.process?.id === process);
  }

  /** A line of a hundred letters takes over a kilobyte here, so many terminals share what they may keep. */
  #bound(current: string): void {
    for (const [key, session] of this.#sessions) {
      if (this.#sessions.size <= MAX_SESSIONS) break;
      if (key !== current && session !== this.active) this.#drop(key);
    }
    const lastShown = [...this.#sessions.values()].reverse();
    const others = Math.min(SCROLLBACK, Math.floor(OTHER_LINES / Math.max(1, lastShown.length - SHOWN)));
    for (const [at, session] of lastShown.entries()) session.keepLines(at < SHOWN ? SCROLLBACK : others);
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
    this.host.allow(this.host.allowed === null ? null : false);
  }

  /** Larger or smaller type in a workspace; null: the setting again. */
  resizeType(id: WorkspaceId, by: number | null): void {
    const px = by === null ? null : this.fontPx(id) + by;
    if (px !== null && (px < FONT.least || px > FONT.most)) return;
    this.arrangement.setFont(id, px);
    this.applySettings();
  }

  applySettings(): void {
    for (const session of this.#sessions.values())
      if (session.process !== null) session.setFont(this.fontPx(session.process.workspace));
    this.host.session?.setFont(this.usualFontPx);
  }

  applyTheme(): void {
    for (const session of this.#sessions.values()) session.setTheme();
    this.host.session?.setTheme();
  }

  get #size(): WindowSize {
    return this.active?.size ?? { columns: 80, rows: 24 };
  }

  /** A process this window started: nothing of it was there before, and its event may come later. */
  #opened(process: Process): void {
    this.#own.add(this.key(process));
    const room = this.#app.store.openRoom(process.workspace);
    if (!room.processes.some(({ id }) => id === process.id)) this.#app.store.putProcess(process);
  }

  /** Opens a shell, or the command given, and brings its tab in front. */
  async openShell(id: WorkspaceId, argv: string[] = []): Promise<Process | undefined> {
    const asked = { id, argv, env: {}, terminal: this.#size, stdin: false };
    const opened = await this.#app.act.attempt(this.#app.backend.call('process.open', asked));
    if (opened === undefined) return;
    this.#opened(opened);
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
    const { arrangement } = this;
    this.host.front = false;
    const beside = arrangement.beside(id);
    // What stands beside stays there; what is chosen takes the half that was used last.
    if (beside === process) arrangement.choose(id, { half: 'second' });
    else if (beside === undefined || arrangement.half(id) === 'first' || arrangement.front(id) === process)
      arrangement.choose(id, { front: process, half: 'first' });
    else arrangement.choose(id, { beside: process, half: 'second' });
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
    const { workspace: id, id: old } = process;
    const again = { id, process: old, folder: this.arrangement.folder(process), terminal: this.#size };
    const opened = await this.#app.act.attempt(this.#app.backend.call('process.restart', again));
    if (opened === undefined) return;
    this.#opened(opened);
    this.arrangement.replace(id, old, opened.id);
    if (this.arrangement.beside(id) === old) this.arrangement.choose(id, { beside: opened.id, half: 'second' });
    else this.show(id, opened.id);
    this.focusOn(opened);
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
    if (this.arrangement.beside(id) === process) this.join(id);
    // No event tells that a transcript was dropped, so the list is read again.
    await this.#app.act.attempt(this.#app.feed.openRoom(id, true));
  }

  /** The processes of a workspace in the order of their tabs. */
  listed(id: WorkspaceId): Process[] {
    return this.arrangement.sorted(id, this.#app.store.room(id)?.processes ?? []);
  }

  /** Shows a tab in the second half; without one, a new shell. */
  async split(id: WorkspaceId, process?: Process): Promise<void> {
    const { arrangement } = this;
    const first = arrangement.front(id) ?? this.active?.process?.id;
    const opened = process ?? (await this.#openBeside(id));
    if (opened === undefined) return;
    if (opened.id === first) {
      // It cannot stand in both: another one takes the first half.
      const other = this.listed(id).find((one) => one.id !== opened.id && one.id !== arrangement.beside(id));
      if (other === undefined) return;
      arrangement.choose(id, { front: other.id });
    } else if (first !== undefined) arrangement.choose(id, { front: first });
    arrangement.choose(id, { beside: opened.id, half: 'second' });
    this.focusOn(opened);
  }

  async #openBeside(id: WorkspaceId): Promise<Process | undefined> {
    const first = this.arrangement.front(id) ?? this.active?.process?.id;
    const opened = await this.openShell(id);
    if (opened !== undefined && first !== undefined) this.arrangement.choose(id, { front: first });
    return opened;
  }

  /** One half again: what is in the second stays as a tab. */
  join(id: WorkspaceId): void {
    this.arrangement.choose(id, { beside: null, half: 'first' });
  }

  nameOf(process: Process): string {
    return this.arrangement.name(process);
  }

  askRename(process: Process): void {
    this.#app.view.dialog = {
      kind: 'ask',
      title: t.terminal.renameTitle,
      label: t.workspace.renameLabel,
      value: this.nameOf(process),
      act: t.workspace.renameDo,
      check: (name) => (name.length >= 1 && name.length <= 40 ? null : t.workspace.renameInvalid),
      run: (name) => this.arrangement.rename(process, name),
    };
  }
}
