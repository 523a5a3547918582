// What a person can do with snapshots. Long work goes on while its dialog shows how far it is; only its end is told here.
import { asProblem } from '../backend';
import { bytes } from '../format';
import { t } from '../messages';
import type { Problem, Snapshot, SnapshotCreate, SnapshotId, SnapshotImport } from '../wire';
import type { App } from './app.svelte';

export class Snapshots {
  #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  list(): void {
    this.#app.view.dialog = { kind: 'snapshots' };
  }

  /** Takes one and shows the list, where it grows; a refusal for lack of room can be overruled. */
  async take(request: SnapshotCreate): Promise<void> {
    this.list();
    await this.#take(request);
  }

  async #take(request: SnapshotCreate): Promise<void> {
    await this.#long(
      this.#app.backend.call('snapshot.create', request),
      ({ name }) => t.snapshots.done(name),
      () => {
        if (this.#app.view.free) this.list();
        void this.#take({ ...request, force: true });
      },
    );
  }

  async import(): Promise<void> {
    const { act, backend } = this.#app;
    const chosen = await act.attempt(backend.desktop('desktop.choose', { kind: 'snapshot' }));
    const [path] = chosen?.paths ?? [];
    if (path !== undefined) await this.#read({ path });
  }

  #read(request: SnapshotImport): Promise<void> {
    return this.#long(
      this.#app.backend.call('snapshot.import', request),
      ({ name }) => t.snapshots.done(name),
      () => void this.#read({ ...request, force: true }),
    );
  }

  async export({ id, name }: Snapshot): Promise<void> {
    const { act, backend } = this.#app;
    const wanted = { kind: 'save', name: t.snapshots.fileName(name) } as const;
    const chosen = await act.attempt(backend.desktop('desktop.choose', wanted));
    const [path] = chosen?.paths ?? [];
    if (path === undefined) return;
    // The system's own chooser has asked already whether a file of that name may be replaced.
    const writing = backend.call('snapshot.export', { id, path, overwrite: true });
    await this.#long(writing, (file) => t.snapshots.exported(file.path, bytes(file.bytes)));
  }

  async start({ id }: Snapshot, force = false): Promise<void> {
    const { backend, store, view } = this.#app;
    try {
      const made = await backend.call('snapshot.start', { id, env: {}, ...(force ? { force } : {}) });
      if (store.workspace(made.id) === null) store.putWorkspace(made);
      if (view.free) view.dialog = null;
      view.select(made.id);
    } catch (thrown) {
      this.#refused(asProblem(thrown), t.create.fullTitle, () => void this.start({ id } as Snapshot, true));
    }
  }

  edit(id: SnapshotId, name: string, note: string) {
    return this.#app.backend.call('snapshot.edit', { id, name, note });
  }

  cancel(id: SnapshotId) {
    return this.#app.act.attempt(this.#app.backend.call('snapshot.cancel', { id }));
  }

  askRemove({ id, name }: Snapshot): void {
    const { act, backend, view } = this.#app;
    view.dialog = {
      kind: 'confirm',
      title: t.snapshots.removeTitle(name),
      text: t.snapshots.removeText,
      act: t.snapshots.removeDo,
      danger: true,
      run: () => {
        void act.attempt(backend.call('snapshot.remove', { id }));
        this.list();
      },
    };
  }

  async #long<T>(work: Promise<T>, say: (made: T) => string, force?: () => void): Promise<void> {
    try {
      const made = await work;
      this.#app.view.say(say(made));
    } catch (thrown) {
      const problem = asProblem(thrown);
      // Who cancelled knows it.
      if (problem.code !== 'cancelled') this.#refused(problem, t.snapshots.fullTitle, force);
    }
  }

  #refused(problem: Problem, title: string, force?: () => void): void {
    const { view } = this.#app;
    if (force === undefined || !problem.forceable) return view.complain(problem);
    view.askGently({ kind: 'confirm', title, text: problem.message, act: t.snapshots.anyway, run: force });
  }
}
