// The processes of a container, read each second while somebody looks and never otherwise: each reading costs processor
// time in the container. Signals go by number together with the moment the process was born, so none hits a stranger.
import { asProblem, type Backend } from '../backend';
import type { ContainerProcess, Killed, Problem, ProcessTree, WorkspaceId } from '../wire';
import { ATTENTION_MS, IDLE_MS, WATCHED_MS } from './metrics.svelte';
import { pulse } from './pulse';

/** Over how long processor time is measured: shortly the first time, so that something is there to be seen. */
const FIRST_SAMPLE_MS = 100;
const SAMPLE_MS = 500;

export class Processes {
  tree = $state.raw<ProcessTree | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** It is read each second now. */
  live = $state(false);
  #backend: Backend;
  #id: WorkspaceId;
  #first = true;

  constructor(backend: Backend, id: WorkspaceId) {
    this.#backend = backend;
    this.#id = id;
  }

  /** Reads again and again; the answer ends it. */
  watch(): () => void {
    let ended = false;
    this.live = true;
    const take = async () => {
      await this.read(() => !ended);
      return false;
    };
    const stop = pulse({
      watched: WATCHED_MS,
      idle: IDLE_MS,
      attention: ATTENTION_MS,
      take,
      onattention: (there) => {
        this.live = there;
      },
    });
    return () => {
      ended = true;
      this.live = false;
      stop();
    };
  }

  /** Reads once. It does not reject. */
  async read(wanted: () => boolean = () => true): Promise<void> {
    try {
      const sample_ms = this.#first ? FIRST_SAMPLE_MS : SAMPLE_MS;
      const tree = await this.#backend.call('process.tree', { id: this.#id, sample_ms });
      if (!wanted()) return;
      this.#first = false;
      this.tree = tree;
      this.problem = null;
    } catch (thrown) {
      if (wanted()) this.problem = asProblem(thrown);
    }
  }

  /** Rejects with a Problem. */
  async signal({ pid, born }: ContainerProcess, signal: number, tree: boolean): Promise<Killed> {
    const killed = await this.#backend.call('process.kill', { id: this.#id, pid, born, signal, tree });
    await this.read();
    return killed;
  }
}
