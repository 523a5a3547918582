// Now, as often as what is shown can change and somebody can see it: readers say how long what they show stays true, and
// one timer aims at the first of those moments. A window that shows only minutes wakes once a minute.

/** How long what is shown at `now` stays true, milliseconds; Infinity when time does not change it. */
export type Lasting = (now: number) => number;

/** Timers may fire a moment early, and what lasts 0 ms must not spin. */
const LEAST_MS = 20;
/** Longest timer browsers keep to is 2^31 ms. */
const MOST_MS = 86_400_000;

class Clock {
  now = $state(Date.now());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #readers = new Set<Lasting>();

  start(): () => void {
    const watch = () => this.#turn();
    watch();
    document.addEventListener('visibilitychange', watch);
    return () => {
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', watch);
    };
  }

  /** Keeps `now` fresh enough for one reader, until the answer is called. */
  follow(lasting: Lasting): () => void {
    this.#readers.add(lasting);
    this.#turn();
    return () => {
      // The timer stays: at worst it finds that nobody needed it.
      this.#readers.delete(lasting);
    };
  }

  #turn(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (document.visibilityState !== 'visible') return;
    const now = Date.now();
    this.now = now;
    let wait = Number.POSITIVE_INFINITY;
    for (const lasting of this.#readers) wait = Math.min(wait, lasting(now));
    if (wait === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#turn(), Math.min(MOST_MS, Math.max(LEAST_MS, wait)));
  }
}

export const clock = new Clock();
