// CPU and memory of the workspace in front, read every two seconds while the window can be seen.
import type { Backend } from '../backend';
import type { Usage, WorkspaceId } from '../wire';

const EVERY_MS = 2000;
/** Points in the sparkline. */
export const HISTORY = 24;

export class UsageMeter {
  now = $state.raw<Usage | null>(null);
  cpu = $state.raw<number[]>([]);
  #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Starts reading; the answer stops it. */
  watch(id: WorkspaceId): () => void {
    let [ended, busy] = [false, false];
    this.now = null;
    this.cpu = [];
    const read = async () => {
      if (busy || ended || document.visibilityState !== 'visible') return;
      busy = true;
      try {
        const usage = await this.#backend.call('workspace.usage', { id });
        if (!ended) {
          this.now = usage;
          this.cpu = [...this.cpu, usage.cpu_percent].slice(-HISTORY);
        }
      } catch {
        // It stopped between the last event and this question; the next workspace event ends the watch.
        if (!ended) this.now = null;
      } finally {
        busy = false;
      }
    };
    void read();
    const timer = setInterval(() => void read(), EVERY_MS);
    return () => {
      ended = true;
      clearInterval(timer);
      this.now = null;
    };
  }
}
