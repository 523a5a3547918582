// Output on its way into xterm: so much in each animation frame as the parser works off in a part of it, acknowledged
// when parsed. What a frame holds follows how long the frames before it took, because a line of a flood may cost a
// hundred times what a line of text costs. At most what the bridge leaves unacknowledged (1 MiB) is ever held here.
import type { Terminal } from '@xterm/xterm';

/** What parsing may take of a frame, milliseconds; the rest is for drawing and for the person. */
const SHARE_MS = 8;
/** Bytes for one frame: the least, what is begun with, and the most. */
const LEAST = 1024;
const FIRST = 16 * 1024;
const MOST = 256 * 1024;

type Entry = { bytes: Uint8Array; counted: number; until: number };

export class Intake {
  #terminal: Terminal;
  #ack: (bytes: number) => void;
  #queue: Entry[] = [];
  #share = FIRST;
  #parsed = 0;
  #waiting = 0;
  #scheduled = false;
  #writing = 0;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #history = 0;
  #position = 0;
  #closed = false;

  constructor(terminal: Terminal, ack: (bytes: number) => void) {
    this.#terminal = terminal;
    this.#ack = ack;
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
    const bytes = this.#parsed;
    this.#parsed = 0;
    this.#ack(bytes);
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  #push(entry: Entry): void {
    if (this.#closed) return;
    this.#waiting += 1;
    this.#queue.push(entry);
    this.#plan();
  }

  #plan(): void {
    if (this.#scheduled || this.#writing > 0 || this.#queue.length === 0 || this.#closed) return;
    this.#scheduled = true;
    const turn = () => {
      this.#scheduled = false;
      this.#write();
    };
    // A hidden window has no frames; its output must still be parsed, or the program would stand still.
    if (document.visibilityState === 'visible') this.#frame = requestAnimationFrame(turn);
    else this.#timer = setTimeout(turn, 0);
  }

  #write(): void {
    const begun = performance.now();
    let [left, bytes] = [this.#share, 0];
    while (left > 0) {
      const entry = this.#queue.shift();
      if (entry === undefined) break;
      const piece = this.#cut(entry, left);
      left -= Math.max(1, piece.bytes.length);
      bytes += piece.bytes.length;
      this.#writing += 1;
      this.#terminal.write(piece.bytes, () => this.#took(piece));
    }
    // The last callback: how long all of it took.
    this.#terminal.write('', () => this.#learn(bytes, performance.now() - begun));
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
    this.#writing -= 1;
    this.#waiting -= 1;
    this.#position = Math.max(this.#position, until);
    this.#parsed += counted;
  }

  #learn(bytes: number, took: number): void {
    // Only a full frame tells anything; the parser begins with a timer of up to 4 ms, which is not its work.
    if (bytes >= this.#share) {
      const factor = Math.min(2, Math.max(0.5, SHARE_MS / Math.max(0.5, took - 4)));
      this.#share = Math.round(Math.min(MOST, Math.max(LEAST, this.#share * factor)));
    }
    this.flushAcks();
    this.#plan();
  }
}
