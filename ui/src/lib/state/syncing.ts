// What can be done about live syncs, and how one stands in a word. The state itself is the engine's, in the store.
import { t } from '../messages';
import type { LiveSync, Workspace, WorkspaceId } from '../wire';
import type { App } from './app.svelte';
import type { Tone } from './facts';

/** How it stands, in a word or two. */
export function syncWord(sync: LiveSync | null): string {
  if (sync === null) return t.sync.off;
  if (sync.state === 'syncing' && sync.waiting > 1) return t.sync.carrying(sync.waiting);
  if (sync.state === 'watching' && sync.problem !== null) return t.sync.trouble;
  return t.sync.word[sync.state];
}

export function syncTone(sync: LiveSync | null): Tone {
  switch (sync?.state) {
    case 'watching':
      return sync.problem === null ? 'ok' : 'busy';
    case 'scanning':
    case 'syncing':
    case 'waiting':
      return 'busy';
    case 'halted':
      return 'bad';
    default:
      return 'off';
  }
}

export class Syncing {
  #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** The sync of a workspace to show: of its own folder, else any. */
  of(workspace: Workspace): LiveSync | null {
    const all = this.#app.store.syncs.filter((sync) => sync.workspace === workspace.id);
    return all.find(({ dir }) => dir === workspace.folder) ?? all[0] ?? null;
  }

  /** Begins one, or one that is under way anew: another way, or after it halted. */
  async start(id: WorkspaceId, dir: string, both: boolean): Promise<void> {
    const { act, backend, store } = this.#app;
    const begun = await act.attempt(backend.call('sync.start', { workspace: id, dir, root: null, both, once: false }));
    // An event may have told newer things of it already.
    if (begun !== undefined && !store.syncs.some((sync) => sync.id === begun.id)) store.putSync(begun);
  }

  /** Asks before a workspace may write to this machine. */
  askBoth(id: WorkspaceId, dir: string): void {
    this.#app.view.dialog = {
      kind: 'confirm',
      title: t.sync.bothTitle,
      text: t.sync.bothText,
      shown: dir,
      act: t.sync.bothDo,
      run: () => void this.start(id, dir, true),
    };
  }

  async choose(id: WorkspaceId): Promise<void> {
    const { act, backend } = this.#app;
    const chosen = await act.attempt(backend.desktop('desktop.choose', { kind: 'folder' }));
    const dir = chosen?.paths[0];
    if (dir !== undefined) await this.start(id, dir, false);
  }

  async stop(sync: LiveSync): Promise<void> {
    const { act, backend, store, view } = this.#app;
    const stopped = await act.attempt(backend.call('sync.stop', { id: sync.id }));
    if (stopped === undefined) return;
    store.putSync(stopped);
    view.say(t.sync.stopped);
  }
}
