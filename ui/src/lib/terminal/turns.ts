// Whose output is parsed when. All terminals of a window share one thread with drawing and with the person, so each frame
// has one span of time for parsing: those in sight first, then the others in turn. What comes to one in sight while there
// is time left is parsed at once: it may be the answer to a key. Nothing here knows a byte; how much fits into a span is
// each one's own to know.

/** What parsing may take of a frame, milliseconds, all terminals together; the rest is for drawing and for the person. */
const SPAN_MS = 8;
/** Of that, what is left to those out of sight when those in sight have enough to do for all of it. */
const UNSEEN_MS = 2;
/** And to those in sight. */
export const SEEN_MS = SPAN_MS - UNSEEN_MS;
/** One out of sight is served so often at most: many small pieces cost more than one large one. */
const UNSEEN_EVERY_MS = 50;
/** A frame, where there are none because nothing is drawn: programs must not stand still in a hidden window. */
const FRAME_MS = 16;

/** One who has something to parse. */
export type Turn = {
  /** It is drawn. */
  seen: () => boolean;
  /** Parses what fits into so many milliseconds and calls back when that is done, with how long it took. */
  parse: (ms: number, done: (took: number) => void) => void;
};

export class Turns {
  /** In the order in which they asked. */
  #waiting = new Set<Turn>();
  /** When each out of sight was served last. */
  #served = new WeakMap<Turn, number>();
  #planned = false;
  #busy = false;
  /** When this frame began, and what of its span was used, in all and by those in sight. */
  #frame = Number.NEGATIVE_INFINITY;
  #spent = 0;
  #spentSeen = 0;

  /** There is something to parse. */
  want(turn: Turn): void {
    this.#waiting.add(turn);
    if (this.#busy) return;
    if (turn.seen() && document.visibilityState === 'visible') {
      if (performance.now() - this.#frame > FRAME_MS) this.#begin();
      this.#next();
    } else this.#plan();
  }

  /** There will never be anything more. */
  leave(turn: Turn): void {
    this.#waiting.delete(turn);
  }

  #begin(): void {
    this.#frame = performance.now();
    this.#spent = 0;
    this.#spentSeen = 0;
  }

  #plan(): void {
    if (this.#planned || this.#busy || this.#waiting.size === 0) return;
    this.#planned = true;
    const turn = () => {
      this.#planned = false;
      if (this.#busy) return;
      this.#begin();
      this.#next();
    };
    if (document.visibilityState === 'visible') requestAnimationFrame(turn);
    else setTimeout(turn, FRAME_MS);
  }

  /** Serves one after the other until the span is over. */
  #next(): void {
    const turn = this.#choose();
    if (turn === undefined) return this.#plan();
    this.#waiting.delete(turn);
    const seen = turn.seen();
    const left = seen ? SEEN_MS - this.#spentSeen : SPAN_MS - this.#spent;
    this.#busy = true;
    turn.parse(Math.max(1, left), (took) => {
      this.#busy = false;
      this.#spent += took;
      if (seen) this.#spentSeen += took;
      else this.#served.set(turn, performance.now());
      this.#next();
    });
  }

  #choose(): Turn | undefined {
    const all = [...this.#waiting];
    if (this.#spentSeen < SEEN_MS) {
      const turn = all.find((one) => one.seen());
      if (turn !== undefined) return turn;
    }
    if (this.#spent >= SPAN_MS) return undefined;
    const now = performance.now();
    return all.find((one) => !one.seen() && now - (this.#served.get(one) ?? 0) >= UNSEEN_EVERY_MS);
  }
}
