// Output on its way into xterm: gathered for one animation frame, cut into pieces small enough to keep the window
// responsive, and acknowledged when parsed. At most what the bridge leaves unacknowledged (1 MiB) is ever held here.
import type { Terminal } from '@xterm/xterm';

/** Bytes handed to the parser at once; at 5 MB/s this is 3 ms. */
const PIECE = 16 * 1024;
/** Parsed bytes after which an acknowledgement goes out even while more waits. */
const ACK = 128 * 1024;

type Entry = { bytes: Uint8Array; counted: number; until: number };

export class Intake {
  #terminal: Terminal;
  #ack: (bytes: number) => void;
  #queue: Entry[] = [];
  #parsed = 0;
  #waiting = 0;
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
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      this.#push({ bytes: piece, counted: piece.length, until: offset + at + piece.length });
    }
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
    if (this.#queue.length > 1) return;
    // A hidden window has no frames; its output must still be parsed, or the program would stand still.
    if (document.visibilityState === 'visible') this.#frame = requestAnimationFrame(() => this.#write());
    else this.#timer = setTimeout(() => this.#write(), 0);
  }

  #write(): void {
    const entries = this.#queue;
    this.#queue = [];
    for (const { bytes, counted, until } of entries) {
      this.#terminal.write(bytes, () => {
        this.#waiting -= 1;
        this.#position = Math.max(this.#position, until);
        this.#parsed += counted;
        if (this.#parsed >= ACK || this.#waiting === 0) this.flushAcks();
      });
    }
  }
}
