// The one channel by which the desktop brings the output of all streams of this window, and the one call by which what
// was parsed goes back. Comes in: entries of a bridge we trust no further than its bounds. Who speaks with Tauri is
// tauri.ts; here are only the books.
import { decodeEntries, type Frame } from './frame';
import { asProblem, type FrameSink } from './index';

/** Of what one frame has time for, so much is told soon when it was parsed: its stream may be waiting for it. */
const MUCH = 0.5;
/** Milliseconds until it is told: a few turns of many terminals go together. */
const SOON_MS = 4;
/** And until fewer are: nobody waits for those. */
const LATER_MS = 100;

export class Outlet {
  #sinks = new Map<number, FrameSink>();
  /** Of streams whose number is not told yet. */
  #early = new Map<number, (Frame | null)[]>();
  #opening = 0;

  /** What the channel brought. */
  take(message: ArrayBuffer | number[] | Uint8Array): void {
    const batches = new Map<number, Frame[]>();
    try {
      // Small raw messages may arrive as arrays of numbers, larger ones as an ArrayBuffer.
      const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
      for (const { stream, frame } of decodeEntries(bytes)) {
        if (!this.#sinks.has(stream)) this.#keep(stream, frame);
        else if (frame === null) {
          this.#deliver(batches);
          this.#lose(stream);
        } else batches.set(stream, [...(batches.get(stream) ?? []), frame]);
      }
    } catch (thrown) {
      // Whose bytes those were cannot be told: each stream begins again where it was.
      for (const stream of [...this.#sinks.keys()]) this.#lose(stream, thrown);
      return;
    }
    this.#deliver(batches);
  }

  /** Opens a stream by a call that tells its number. What it brings before is not lost. */
  async open(sink: FrameSink, call: () => Promise<number>): Promise<number> {
    this.#opening += 1;
    try {
      const stream = await call();
      this.#sinks.set(stream, sink);
      const early = this.#early.get(stream) ?? [];
      const frames = early.filter((frame) => frame !== null);
      if (frames.length > 0) sink.frames(frames);
      if (early.length > frames.length) this.#lose(stream);
      return stream;
    } finally {
      this.#opening -= 1;
      // What is left is of streams that were closed.
      if (this.#opening === 0) this.#early.clear();
    }
  }

  close(stream: number): void {
    this.#sinks.delete(stream);
  }

  #keep(stream: number, frame: Frame | null): void {
    if (this.#opening > 0) this.#early.set(stream, [...(this.#early.get(stream) ?? []), frame]);
  }

  #deliver(batches: Map<number, Frame[]>): void {
    for (const [stream, frames] of batches) this.#sinks.get(stream)?.frames(frames);
    batches.clear();
  }

  #lose(stream: number, why?: unknown): void {
    const sink = this.#sinks.get(stream);
    this.#sinks.delete(stream);
    const ended = { code: 'agent-lost', message: 'The connection to the program was lost.' } as const;
    sink?.lost(why === undefined ? ended : asProblem(why));
  }
}

/** What was parsed of a stream: its number, bytes, and how many such bytes one frame has time for. */
type Drawn = [number, number, number];

/** Parsed bytes of all streams, told together. */
export class Acknowledgements {
  #tell: (drawn: Drawn[]) => void;
  #drawn = new Map<number, { bytes: number; fits: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #soon = false;

  constructor(tell: (drawn: Drawn[]) => void) {
    this.#tell = tell;
  }

  add(stream: number, bytes: number, fits: number): void {
    const sum = (this.#drawn.get(stream)?.bytes ?? 0) + bytes;
    this.#drawn.set(stream, { bytes: sum, fits });
    const much = sum >= MUCH * fits;
    if (this.#timer !== undefined && (this.#soon || !much)) return;
    clearTimeout(this.#timer);
    this.#soon = much;
    this.#timer = setTimeout(() => this.#flush(), much ? SOON_MS : LATER_MS);
  }

  forget(stream: number): void {
    this.#drawn.delete(stream);
  }

  #flush(): void {
    this.#timer = undefined;
    const drawn = [...this.#drawn].map(([stream, { bytes, fits }]): Drawn => [stream, bytes, fits]);
    this.#drawn.clear();
    if (drawn.length > 0) this.#tell(drawn);
  }
}
