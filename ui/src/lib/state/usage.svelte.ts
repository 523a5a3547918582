// CPU and memory of the workspace in front: read every two seconds while somebody is at the window, every fifteen while
// nobody is (and seldomer while nothing happens), not at all while it cannot be seen. A reading costs processor time here
// and in the container, whose agent answers it.
import type { Backend } from '../backend';
import type { Usage, WorkspaceId } from '../wire';
import { pulse } from './pulse';

export const WATCHED_MS = 2000;
export const IDLE_MS = 15_000;
/** This long after the last move or key, somebody is still taken to be looking. */
export const ATTENTION_MS = 10_000;
/** Time the sparkline covers. */
export const HISTORY_MS = 48_000;

export type CpuSample = { at: number; cpu: number };

const like = (a: number, b: number, step: number) => Math.abs(a - b) < step;

export class UsageMeter {
  now = $state.raw<Usage | null>(null);
  cpu = $state.raw<CpuSample[]>([]);
  #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Starts reading; the answer stops it. */
  watch(id: WorkspaceId): () => void {
    let ended = false;
    this.now = null;
    this.cpu = [];
    const take = async () => {
      try {
        const usage = await this.#backend.call('workspace.usage', { id });
        return ended || this.#put(usage);
      } catch {
        // It stopped between the last event and this question; the next workspace event ends the watch.
        if (!ended) this.now = null;
        return false;
      }
    };
    const stop = pulse({ watched: WATCHED_MS, idle: IDLE_MS, attention: ATTENTION_MS, take });
    return () => {
      ended = true;
      stop();
      this.now = null;
    };
  }

  /** Whether it looks as the reading before it did. */
  #put(usage: Usage): boolean {
    const at = Date.now();
    const before = this.now;
    const same =
      before !== null &&
      like(usage.cpu_percent, before.cpu_percent, 1) &&
      like(usage.memory_bytes, before.memory_bytes, 2 ** 20);
    this.now = usage;
    // One older than the line is long stays: the line begins there, outside.
    const first = this.cpu.findLastIndex((sample) => sample.at <= at - HISTORY_MS);
    this.cpu = [...this.cpu.slice(Math.max(0, first)), { at, cpu: usage.cpu_percent }];
    return same;
  }
}
