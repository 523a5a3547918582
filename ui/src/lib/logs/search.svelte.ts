// Where a text is found in a log: all of it, not only what is loaded. The engine finds; in lines that come later it is
// found here, so that each is read once.
import { asProblem, type Backend } from '../backend';
import type { LogQuery, LogRecord, Problem } from '../wire';

/** Matches gone through; the newest ones when there are more. */
export const MOST_HITS = 5000;

export class LogSearch {
  /** Numbers of the lines that hold the text, ascending. */
  hits = $state.raw<number[]>([]);
  /** There are more. */
  full = $state(false);
  /** The one in front, as a place among the hits; -1: none yet. */
  at = $state(-1);
  /** Why it cannot be looked for. */
  problem = $state.raw<Problem | null>(null);
  #backend: Backend;
  #turn = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** What was asked for last has been found, or cannot be. */
  found: Promise<void> = Promise.resolve();

  /** Looks for it among the lines that fit; null ends looking. */
  find(among: LogQuery, grep: string | null): Promise<void> {
    this.found = this.#find(among, grep);
    return this.found;
  }

  async #find(among: LogQuery, grep: string | null): Promise<void> {
    const turn = ++this.#turn;
    if (grep === null) return this.#put([], false, null);
    try {
      const page = await this.#backend.call('workspace.logs', { ...among, grep, tail: MOST_HITS });
      const hits = page.records.map(({ seq }) => seq);
      if (turn === this.#turn) this.#put(hits, page.more || hits.length === MOST_HITS, null);
    } catch (thrown) {
      if (turn === this.#turn) this.#put([], false, asProblem(thrown));
    }
  }

  #put(hits: number[], full: boolean, problem: Problem | null): void {
    this.hits = hits;
    this.full = full;
    this.at = -1;
    this.problem = problem;
  }

  /** Lines that came meanwhile. */
  take(records: LogRecord[], pattern: RegExp | null): void {
    if (pattern === null) return;
    const known = this.hits.at(-1) ?? 0;
    const fresh = records.filter(({ seq, message }) => seq > known && message.search(pattern) >= 0);
    if (fresh.length === 0) return;
    const hits = [...this.hits, ...fresh.map(({ seq }) => seq)];
    const over = Math.max(0, hits.length - MOST_HITS);
    this.hits = hits.slice(over);
    this.at = Math.max(-1, this.at - over);
    this.full ||= over > 0;
  }

  /** The next one's number, round and round; the newest first. */
  step(by: 1 | -1): number | null {
    const { length } = this.hits;
    if (length === 0) return null;
    this.at = this.at < 0 ? length - 1 : (this.at + by + length) % length;
    return this.hits[this.at] ?? null;
  }
}
