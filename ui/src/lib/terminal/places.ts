// Where each shell stands, so that its tab begins there again after it ended. Read from the kernel's own link to a
// process's folder, a moment after a line was sent; the folder of a process that ended cannot be asked for any more.
// Comes in: a path from a container, used only to start a program in that container.
import type { Backend } from '../backend';
import type { Process } from '../wire';

/** After a line was sent, milliseconds: a command has then changed folder, or runs. */
const SETTLED_MS = 400;
const LONGEST = 4096;

/** Where what was read is kept. */
type Keeper = { putFolder(process: Process, folder: string): void };

export class Places {
  #backend: Backend;
  #keeper: Keeper;
  #leaders = new Map<string, number>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(backend: Backend, keeper: Keeper) {
    this.#backend = backend;
    this.#keeper = keeper;
  }

  forget(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#leaders.delete(key);
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
  async look(key: string, process: Process): Promise<void> {
    const { workspace: id } = process;
    try {
      let leader = this.#leaders.get(key);
      if (leader === undefined) {
        const { processes } = await this.#backend.call('process.tree', { id, sample_ms: 1 });
        // Of those that belong to the tab, the one that was started first is the shell itself.
        leader = processes.filter((one) => one.process === process.id).sort((a, b) => b.age_ms - a.age_ms)[0]?.pid;
        if (leader === undefined) return;
        this.#leaders.set(key, leader);
      }
      const { target } = await this.#backend.call('file.stat', { id, path: `/proc/${leader}/cwd` });
      // The kernel says so of a folder that was removed.
      if (target === null || !target.startsWith('/') || target.endsWith(' (deleted)')) return;
      if (new TextEncoder().encode(target).length <= LONGEST) this.#keeper.putFolder(process, target);
    } catch {
      this.#leaders.delete(key);
    }
  }
}
