// What a workspace used over the last quarter of an hour: its history first, then what is new, each second while
// somebody looks (the engine measures so often only while it is asked), seldom when nobody does. Not here: drawing.
import { asProblem, type Backend } from '../backend';
import type { Limits, Problem, Sample, Stats, WorkspaceId } from '../wire';
import { pulse } from './pulse';

export const WATCHED_MS = 1000;
export const IDLE_MS = 15_000;
/** Charts are looked at without touching anything. */
export const ATTENTION_MS = 60_000;
/** How far back it goes, milliseconds. */
export const SPAN_MS = 15 * 60_000;
/** One reading more than asked for, so that none falls between two answers. */
const OVERLAP_S = 3;

/** Readings in the engine's order. A clock that was set back makes the earlier ones lie in the future: they move along. */
function inOrder(samples: Sample[]): Sample[] {
  const ordered = [...samples];
  let shift = 0;
  for (let at = ordered.length - 2; at >= 0; at -= 1) {
    const [sample, next] = [ordered[at], ordered[at + 1]];
    if (sample === undefined || next === undefined) continue;
    if (sample.at_ms + shift >= next.at_ms) shift = next.at_ms - Math.max(1, next.span_ms) - sample.at_ms;
    if (shift !== 0) ordered[at] = { ...sample, at_ms: sample.at_ms + shift };
  }
  return ordered;
}

/** The newest reading is older than what is known: the clock was set back. */
export function setBack(before: Sample[], fresh: Sample[]): boolean {
  const [last, newest] = [before.at(-1), fresh.at(-1)];
  return last !== undefined && newest !== undefined && newest.at_ms < last.at_ms;
}

/** What is known, with what is new: in order, each reading once, no older than the span before the newest. */
export function joined(before: Sample[], fresh: Sample[]): Sample[] {
  const ordered = inOrder(fresh);
  if (setBack(before, fresh)) return ordered;
  const last = before.at(-1)?.at_ms ?? Number.NEGATIVE_INFINITY;
  const all = [...before, ...ordered.filter(({ at_ms }) => at_ms > last)];
  const end = all.at(-1)?.at_ms ?? 0;
  const first = all.findIndex(({ at_ms }) => at_ms >= end - SPAN_MS);
  return first > 0 ? all.slice(first) : all;
}

export class Metrics {
  /** The latest answer, without its history. */
  stats = $state.raw<Stats | null>(null);
  samples = $state.raw<Sample[]>([]);
  limits = $state.raw<Limits | null>(null);
  /** Nothing was answered yet, for this reason. */
  problem = $state.raw<Problem | null>(null);
  /** It is measured each second now. */
  live = $state(false);
  #backend: Backend;
  #id: WorkspaceId | null = null;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Reads the history, and what is new for as long as it runs; the answer ends it. */
  watch(id: WorkspaceId, running: boolean): () => void {
    let ended = false;
    if (this.#id !== id) {
      this.#id = id;
      this.stats = null;
      this.samples = [];
      this.limits = null;
    }
    this.problem = null;
    this.live = running;
    const current = () => !ended && this.#id === id;
    // What is known counts no more: the whole span is asked for.
    let anew = false;
    const read = async () => {
      const last = anew ? undefined : this.samples.at(-1)?.at_ms;
      const missing = last === undefined ? SPAN_MS : Math.min(SPAN_MS, Math.max(0, Date.now() - last));
      const since_s = Math.min(SPAN_MS / 1000, Math.ceil(missing / 1000) + OVERLAP_S);
      try {
        const stats = await this.#backend.call('workspace.stats', { id, since_s, resolution: 'seconds' });
        if (!current()) return;
        this.stats = stats;
        const before = last === undefined ? [] : this.samples;
        anew = setBack(before, stats.samples);
        this.samples = joined(before, stats.samples);
        this.problem = null;
      } catch (thrown) {
        if (current()) this.problem = asProblem(thrown);
      }
    };
    void this.readLimits(id);
    if (!running) {
      void read();
      return () => {
        ended = true;
      };
    }
    const stop = pulse({
      watched: WATCHED_MS,
      idle: IDLE_MS,
      attention: ATTENTION_MS,
      take: async () => {
        await read();
        return false;
      },
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

  /** What it may use, once more. */
  async readLimits(id: WorkspaceId): Promise<void> {
    try {
      const limits = await this.#backend.call('workspace.limits', { id });
      if (this.#id === id) this.limits = limits;
    } catch {
      // The charts then have no line for them; whoever changes limits is told why.
      if (this.#id === id) this.limits = null;
    }
  }
}
