// One window: its backend, what the engine says, what was chosen here, and what can be done. Components get it from
// the context; nothing is a global, so tests make as many as they like.
import { getContext, setContext } from 'svelte';
import { asProblem, type Backend, type DesktopEvent, type DesktopStart } from '../backend';
import { Terminals } from '../terminal/terminals.svelte';
import type { Event, Problem, WorkspaceId } from '../wire';
import { Actions } from './actions';
import { Carries } from './carries.svelte';
import { Drag } from './drag.svelte';
import { Feed } from './feed.svelte';
import { FileTree } from './files.svelte';
import { Following } from './following';
import { kept } from './keep';
import { Metrics } from './metrics.svelte';
import { PreviewPage } from './preview.svelte';
import { Snapshots } from './snapshots';
import { Store } from './store.svelte';
import { Syncing } from './syncing';
import { UsageMeter } from './usage.svelte';
import { View } from './view.svelte';

const KEY = Symbol('app');
/** An event older than this is not said aloud any more. */
const FRESH_MS = 30_000;

export class App {
  readonly backend: Backend;
  readonly store = new Store();
  readonly view = new View();
  readonly feed: Feed;
  readonly page: PreviewPage;
  readonly usage: UsageMeter;
  readonly metrics: Metrics;
  readonly terminals: Terminals;
  readonly files: FileTree;
  readonly following: Following;
  readonly drag: Drag;
  readonly act: Actions;
  readonly snapshots: Snapshots;
  readonly syncing: Syncing;
  readonly carries: Carries;
  /** The only workspace of a second window; null in the main one. */
  readonly only: WorkspaceId | null;
  desktop = $state.raw<DesktopStart | null>(null);
  problem = $state.raw<Problem | null>(null);

  constructor(backend: Backend, only: WorkspaceId | null) {
    this.backend = backend;
    this.only = only;
    this.feed = new Feed(backend, this.store, (events) => this.#heard(events));
    this.page = new PreviewPage(backend);
    this.usage = new UsageMeter(backend);
    this.metrics = new Metrics(backend);
    this.files = new FileTree(backend);
    this.following = new Following(this);
    this.act = new Actions(this);
    this.snapshots = new Snapshots(this);
    this.syncing = new Syncing(this);
    this.carries = new Carries(this);
    this.terminals = new Terminals(this);
    this.drag = new Drag(this);
  }

  get mac(): boolean {
    return this.desktop?.os === 'macos';
  }

  get workspace() {
    return this.store.workspace(this.view.selected);
  }

  get room() {
    return this.view.selected === null ? null : this.store.room(this.view.selected);
  }

  /** Connects and opens what the command line named. */
  async start(): Promise<void> {
    this.problem = null;
    try {
      const [desktop] = await Promise.all([
        this.backend.desktop('desktop.start', {}),
        this.backend.desktopEvents((event) => this.#take(event)),
        this.feed.start(),
      ]);
      this.desktop = desktop;
      this.terminals.host.allow(desktop.host_shell);
      this.#selectFirst();
      if (desktop.open.length > 0 && this.only === null) await this.act.deploy(desktop.open);
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  stop(): void {
    this.feed.stop();
    this.terminals.closeAll();
  }

  /** What has just been told, as against what was read: the end of a lease is said aloud. */
  #heard(events: Event[]): void {
    for (const { workspace: id, at_ms, body } of events) {
      if (id === null || body.kind !== 'message' || body.value.level !== 'warning') continue;
      // A stream that was lost catches up with what is long over.
      if (Math.abs(Date.now() - at_ms) > FRESH_MS) continue;
      if (!body.value.actions.some(({ kind }) => kind === 'extend')) continue;
      const workspace = this.store.workspace(id);
      if (workspace === null || (this.only !== null && this.only !== id)) continue;
      void this.act.warnOfEnd(workspace, body.value.text, at_ms);
    }
  }

  #selectFirst(): void {
    if (this.only !== null) return this.view.select(this.only);
    const last = kept<WorkspaceId | null>('selected', null);
    this.view.select(this.store.workspace(last)?.id ?? this.store.workspaces[0]?.id ?? null);
  }

  #take(event: DesktopEvent): void {
    switch (event.kind) {
      case 'preview':
        return this.page.take(event);
      case 'drag':
        return this.drag.take(event);
      case 'open':
        void this.act.deploy(event.paths);
        return;
      case 'notice':
        return this.view.say(event.text);
      case 'carry':
        return this.carries.take(event);
      case 'carry-ended':
        return this.carries.end(event.carry);
      case 'show':
        if (this.only === null) this.view.select(event.id);
        return;
      case 'shortcut': {
        const { key, ctrl: ctrlKey, shift: shiftKey, alt: altKey } = event;
        // The window matches it as if it had been pressed here.
        window.dispatchEvent(new KeyboardEvent('keydown', { key, ctrlKey, shiftKey, altKey, cancelable: true }));
        return;
      }
      case 'host-shell':
        return this.terminals.host.allow(event.on);
      case 'close-requested':
        return this.act.closeWindow();
    }
  }
}

export function provideApp(app: App): App {
  return setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
