// Where each shell stands, so that its tab begins there again after it ended. Read from the kernel's own link to a
// process's folder, a moment after a line was sent; the folder of a process that ended cannot be asked for any more.
// Kept over restarts of the app. Comes in: a path from a container, used only to start a program in that container.
import type { Backend } from '../backend';
import { keep, kept } from '../state/keep';
import type { Process } from '../wire';

/** After a line was sent, milliseconds: a command has then changed folder, or runs. */
const SETTLED_MS = 400;
/** Tabs remembered. */
const MOST = 64;
const LONGEST = 4096;

export class Places {
  #backend: Backend;
  #folders: Record<string, string> = kept('terminal-folders', {});
  #leaders = new Map<string, number>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** The folder a tab was in last. */
  of(key: string): string | undefined {
    return this.#folders[key];
  }

  put(key: string, folder: string): void {
    if (!folder.startsWith('/') || folder.length > LONGEST || this.#folders[key] === folder) return;
    const { [key]: _, ...others } = this.#folders;
    this.#folders = Object.fromEntries([...Object.entries(others), [key, folder]].slice(-MOST));
    keep('terminal-folders', this.#folders);
  }

  forget(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#leaders.delete(key);
    if (this.#folders[key] === undefined) return;
    delete this.#folders[key];
    keep('terminal-folders', this.#folders);
  }

  /** A line was sent to it: look soon, once for several. */
  sent(key: string, process: Process): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.set(
      key,
      setTimeout(() => void this.look(key, process), SETTLED_MS),
    );
  }

  /** Looks now. A process that ended meanwhile leaves what was known. */
  async look(key: string, { workspace: id, id: process }: Process): Promise<void> {
    try {
      let leader = this.#leaders.get(key);
      if (leader === undefined) {
        const { processes } = await this.#backend.call('process.tree', { id, sample_ms: 1 });
        // Of those that belong to the tab, the one that was started first is the shell itself.
        leader = processes.filter((one) => one.process === process).sort((a, b) => b.age_ms - a.age_ms)[0]?.pid;
        if (leader === undefined) return;
        this.#leaders.set(key, leader);
      }
      const { target } = await this.#backend.call('file.stat', { id, path: `/proc/${leader}/cwd` });
      // The kernel says so of a folder that was removed.
      if (target !== null && !target.endsWith(' (deleted)')) this.put(key, target);
    } catch {
      this.#leaders.delete(key);
    }
  }
}
