// Output on its way into xterm: in turns with the window's other terminals (turns.ts), as much in each as the parser works
// off in the time given, acknowledged when parsed. At most what the bridge leaves unacknowledged (1 MiB) is ever held here.
import type { Terminal } from '@xterm/xterm';
import { SEEN_MS, type Turn, type Turns } from './turns';

/** Bytes in one turn: the least and the most. */
const LEAST = 1024;
const MOST = 256 * 1024;
/** Bytes parsed in a millisecond, until it is known better: slow text on a slow machine. */
const FIRST_RATE = 2048;
const NOTHING = new Uint8Array(0);

type Entry = { bytes: Uint8Array; counted: number; until: number };

export class Intake implements Turn {
  #terminal: Terminal;
  #turns: Turns;
  #seen: () => boolean;
  #ack: (bytes: number, fits: number) => boolean;
  #queue: Entry[] = [];
  #rate = FIRST_RATE;
  #parsed = 0;
  #waiting = 0;
  #done: ((took: number) => void) | null = null;
  #history = 0;
  #position = 0;
  #closed = false;

  /**
   * `ack` is told of bytes that were parsed, and of how many like them one frame has time for; it says whether somebody
   * heard. What nobody heard is told again.
   */
  constructor(terminal: Terminal, turns: Turns, seen: () => boolean, ack: (bytes: number, fits: number) => boolean) {
    this.#terminal = terminal;
    this.#turns = turns;
    this.#seen = seen;
    this.#ack = ack;
  }

  seen(): boolean {
    return this.#seen();
  }

  /** Output before this offset is old: what the terminal answers to it must not be sent. */
  historyUntil(offset: number): void {
    this.#history = offset;
  }

  get inHistory(): boolean {
    return this.#position < this.#history && this.#waiting > 0;
  }

  put(bytes: Uint8Array, offset: number): void {
    this.#push({ bytes, counted: bytes.length, until: offset + bytes.length });
  }

  /** A dim line of our own between the output. */
  note(text: string): void {
    const bytes = new TextEncoder().encode(`\r\n\x1b[0;2m── ${text} ──\x1b[0m\r\n`);
    this.#push({ bytes, counted: 0, until: this.#position });
  }

  flushAcks(): void {
    if (this.#parsed === 0 || this.#closed) return;
    if (this.#ack(this.#parsed, Math.round(this.#rate * SEEN_MS))) this.#parsed = 0;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#turns.leave(this);
    // The terminal goes too, perhaps in the middle of its turn: the others must not wait for it.
    this.#finish(0);
  }

  #push(entry: Entry): void {
    if (this.#closed) return;
    this.#waiting += 1;
    this.#queue.push(entry);
    this.#turns.want(this);
  }

  /** Its turn: as much as the turns before it let expect to fit. */
  parse(ms: number, done: (took: number) => void): void {
    if (this.#closed || this.#queue.length === 0) return done(0);
    const most = Math.max(LEAST, Math.min(MOST, Math.round(this.#rate * ms)));
    const pieces: Entry[] = [];
    let bytes = 0;
    while (bytes < most) {
      const entry = this.#queue.shift();
      if (entry === undefined) break;
      const piece = this.#cut(entry, most - bytes);
      bytes += piece.bytes.length;
      pieces.push(piece);
    }
    this.#done = done;
    // xterm begins when its own timer fires; the wait for that takes nothing from anybody, so it is not counted.
    let begun = 0;
    this.#terminal.write(NOTHING, () => {
      begun = performance.now();
    });
    for (const [at, piece] of pieces.entries()) {
      this.#terminal.write(piece.bytes, () => {
        this.#took(piece);
        if (at < pieces.length - 1) return;
        const took = performance.now() - begun;
        this.#learn(bytes, took);
        this.flushAcks();
        if (this.#queue.length > 0) this.#turns.want(this);
        this.#finish(took);
      });
    }
  }

  /** At most `most` bytes of an entry; the rest stays first in the queue. */
  #cut(entry: Entry, most: number): Entry {
    const length = entry.bytes.length;
    if (length <= most) return entry;
    this.#waiting += 1;
    const rest = { bytes: entry.bytes.subarray(most), counted: entry.counted === 0 ? 0 : length - most };
    this.#queue.unshift({ ...entry, ...rest });
    const counted = entry.counted === 0 ? 0 : most;
    return { bytes: entry.bytes.subarray(0, most), counted, until: entry.until - (length - most) };
  }

  #took({ counted, until }: Entry): void {
    this.#waiting -= 1;
    this.#position = Math.max(this.#position, until);
    this.#parsed += counted;
  }

  #finish(took: number): void {
    const done = this.#done;
    this.#done = null;
    done?.(took);
  }

  /** Half the weight to the newest: a line of a flood may cost a hundred times what a line of text costs. */
  #learn(bytes: number, ms: number): void {
    if (bytes < LEAST) return;
    const rate = bytes / Math.max(0.1, ms);
    this.#rate = (this.#rate + rate) / 2;
  }
}
