// The output of one program as plain lines: escape sequences taken out, a bounded number kept. Comes in: hostile bytes,
// so lines are cut at a length and never parsed as anything but text.
import { type Attachment, asProblem, type Backend } from '../backend';
import type { Frame } from '../backend/frame';
import type { Problem, Process } from '../wire';

const MAX_LINES = 5000;
const MAX_LINE = 4000;
/** Unparsed output held while no frame was painted. */
const ACK = 128 * 1024;

// CSI, OSC (ended by BEL or ST), other two-letter escapes, and what is left of the C0 set but tab and newline.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out here
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_=>]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** What a terminal would show of a line after its carriage returns. */
export function plainLine(raw: string): string {
  const parts = raw.replace(ESCAPES, '').split('\r');
  const last = parts.findLast((part) => part !== '') ?? '';
  return last.length > MAX_LINE ? `${last.slice(0, MAX_LINE)}…` : last;
}

export class LogTail {
  lines = $state.raw<string[]>([]);
  dropped = $state(0);
  problem = $state.raw<Problem | null>(null);
  #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Follows a program from its beginning; the answer ends it. */
  follow(process: Process): () => void {
    this.lines = [];
    this.dropped = 0;
    this.problem = null;
    const decoder = new TextDecoder();
    let [rest, ended, waiting, frame] = ['', false, 0, 0];
    let fresh: string[] = [];
    let attachment: Attachment | null = null;

    const flush = () => {
      frame = 0;
      if (ended) return;
      const all = [...this.lines, ...fresh];
      fresh = [];
      this.dropped += Math.max(0, all.length - MAX_LINES);
      this.lines = all.slice(-MAX_LINES);
      if (waiting > 0) attachment?.ack(waiting);
      waiting = 0;
    };

    const take = (batch: Frame[]) => {
      for (const item of batch) {
        if (item.kind === 'gap' || item.kind === 'exit') continue;
        waiting += item.payload.length;
        const parts = (rest + decoder.decode(item.payload, { stream: true })).split('\n');
        rest = (parts.pop() ?? '').slice(-MAX_LINE);
        for (const part of parts) {
          const line = plainLine(part);
          // A program that clears its screen prints a screenful of empty lines; one says as much.
          if (line !== '' || (fresh.at(-1) ?? this.lines.at(-1)) !== '') fresh.push(line);
        }
      }
      if (batch.some(({ kind }) => kind === 'exit') && rest !== '') {
        fresh.push(plainLine(rest));
        rest = '';
      }
      if (fresh.length > MAX_LINES) {
        this.dropped += fresh.length - MAX_LINES;
        fresh = fresh.slice(-MAX_LINES);
      }
      if (waiting >= ACK && document.visibilityState !== 'visible') flush();
      else if (frame === 0) frame = requestAnimationFrame(flush);
    };

    this.#backend
      .attach(process.workspace, process.id, 0, {
        frames: take,
        lost: (problem) => {
          if (!ended) this.problem = problem;
        },
      })
      .then(
        (opened) => {
          attachment = opened;
          if (ended) opened.close();
        },
        (thrown: unknown) => {
          if (!ended) this.problem = asProblem(thrown);
        },
      );
    return () => {
      ended = true;
      cancelAnimationFrame(frame);
      attachment?.close();
    };
  }
}
