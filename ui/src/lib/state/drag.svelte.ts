// A drag of files over the window: what it would do, by where it is. Comes in: the desktop's drag events. What was
// dragged is inspected as soon as it enters, so that the overlay can say what it is before anything is let go.
import { asProblem, type DesktopEvent } from '../backend';
import { upload } from '../files/carry';
import type { Inspection, Problem, WorkspaceId } from '../wire';
import type { App } from './app.svelte';

type DragEvent = Extract<DesktopEvent, { kind: 'drag' }>;
export type Zone = 'new' | 'replace' | 'files';

/** A drag that crosses from the page to the preview leaves one before it enters the other. */
const LEAVE_MS = 90;
const STAY_MS = 700;

export class Drag {
  paths = $state.raw<string[] | null>(null);
  zone = $state<Zone>('new');
  found = $state.raw<Inspection | null>(null);
  refused = $state.raw<Problem | null>(null);
  /** The folder of the tree it would land in. */
  into = $state<string | null>(null);
  #app: App;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  #staying: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  /** The workspace whose files would be replaced; null when there is only one zone. */
  get target(): WorkspaceId | null {
    return this.#app.workspace?.id ?? null;
  }

  take(event: DragEvent): void {
    clearTimeout(this.#leaving);
    if (event.phase === 'leave') {
      this.#leaving = setTimeout(() => this.#end(), LEAVE_MS);
      return;
    }
    const form = this.#app.view.dialog?.kind === 'create';
    if (event.phase === 'drop' && form) {
      const [path] = event.paths.length > 0 ? event.paths : (this.paths ?? []);
      this.#end();
      if (path !== undefined) this.#app.act.create({ kind: 'path', path });
      return;
    }
    if (event.phase === 'drop') {
      const zone = this.#zoneAt(event.x, event.y);
      const { into, target } = this;
      const paths = event.paths.length > 0 ? event.paths : (this.paths ?? []);
      this.#end();
      if (zone === 'files' && into !== null && target !== null) {
        void upload(this.#app, target, paths, into);
        return;
      }
      // Several things cannot replace one workspace's files, so they become workspaces of their own.
      const replace = zone === 'replace' && paths.length === 1 ? (this.target ?? undefined) : undefined;
      void this.#app.act.deploy(paths, replace);
      return;
    }
    if (this.paths === null || (event.paths.length > 0 && event.paths.join('\n') !== this.paths.join('\n'))) {
      this.paths = event.paths;
      this.#inspect(event.paths);
    }
    this.zone = this.#zoneAt(event.x, event.y);
  }

  /** Where a point falls: the middle of the zones' own boxes divides them, found in the page so that both always agree. */
  #zoneAt(x: number, y: number): Zone {
    if (this.target === null) return 'new';
    const point = document.elementFromPoint?.(x, y);
    const folder = point?.closest<HTMLElement>('[data-directory]')?.dataset.directory ?? null;
    this.#over(folder);
    if (folder !== null) return 'files';
    const under = point?.closest('[data-drop-zone]');
    if (under instanceof HTMLElement) return under.dataset.dropZone === 'replace' ? 'replace' : 'new';
    return x < window.innerWidth / 2 ? 'new' : 'replace';
  }

  #inspect(paths: string[]): void {
    this.found = null;
    this.refused = null;
    const [path] = paths;
    if (path === undefined || paths.length > 1) return;
    this.#app.backend.call('intake.inspect', { kind: 'path', path }).then(
      (found) => {
        if (this.paths === paths) this.found = found;
      },
      (thrown: unknown) => {
        if (this.paths === paths) this.refused = asProblem(thrown);
      },
    );
  }

  /** A closed folder opens when something is held over it for a while. */
  #over(folder: string | null): void {
    if (folder === this.into) return;
    this.into = folder;
    clearTimeout(this.#staying);
    const { files } = this.#app;
    if (folder === null || folder === files.root || files.isOpen(folder)) return;
    this.#staying = setTimeout(() => void files.toggle(folder, true), STAY_MS);
  }

  #end(): void {
    this.#over(null);
    this.paths = null;
    this.found = null;
    this.refused = null;
    this.zone = 'new';
  }
}
