// The frame that carries output (crates/wire/src/frame.rs): kind u8, offset u64 little endian, payload. Bytes come
// from a bridge we trust no further than its bounds: a frame that cannot be read is an error, never a guess.

/** Largest frame accepted, bytes. */
export const MAX_FRAME = 1024 * 1024;
const HEADER = 9;

export type ProcessEnd = { code: number | null; signal: number | null };

export type Frame =
  | { kind: 'terminal' | 'stdout' | 'stderr'; offset: number; payload: Uint8Array }
  /** Bytes from `from` up to `offset` are no longer kept. */
  | { kind: 'gap'; offset: number; from: number }
  | { kind: 'exit'; offset: number; exit: ProcessEnd };

const KINDS = ['terminal', 'stdout', 'stderr', 'gap', 'exit'] as const;

function exitOf(payload: Uint8Array): ProcessEnd {
  if (payload.length === 0) return { code: null, signal: null };
  const value = JSON.parse(new TextDecoder().decode(payload)) as Partial<ProcessEnd>;
  return { code: value.code ?? null, signal: value.signal ?? null };
}

/** Reads one frame without copying its payload. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER) throw new RangeError(`a frame of ${bytes.length} bytes is shorter than its header`);
  if (bytes.length > MAX_FRAME) throw new RangeError(`a frame of ${bytes.length} bytes is over the bound`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = KINDS[view.getUint8(0)];
  if (kind === undefined) throw new RangeError(`frames of kind ${view.getUint8(0)} are unknown`);
  const offset = Number(view.getBigUint64(1, true));
  const payload = bytes.subarray(HEADER);
  if (kind === 'gap') {
    return { kind, offset, from: payload.length >= 8 ? Number(view.getBigUint64(HEADER, true)) : 0 };
  }
  if (kind === 'exit') return { kind, offset, exit: exitOf(payload) };
  return { kind, offset, payload };
}

/** What a message of many streams holds: of each entry its stream, and its frame; null when that stream is lost. */
export type Entry = { stream: number; frame: Frame | null };

/** Reads entries: a u32 little-endian length, the stream as another, the frame if there is one. */
export function decodeEntries(bytes: Uint8Array): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Entry[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) throw new RangeError('the head of an entry is cut off');
    const length = view.getUint32(at, true);
    const stream = view.getUint32(at + 4, true);
    const [from, end] = [at + 8, at + 4 + length];
    if (length < 4 || end > bytes.length) throw new RangeError('an entry is cut off');
    entries.push({ stream, frame: length === 4 ? null : decodeFrame(bytes.subarray(from, end)) });
    at = end;
  }
  return entries;
}

/** One frame as bytes. */
export function encodeFrame(kind: Frame['kind'], offset: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(HEADER + payload.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, KINDS.indexOf(kind));
  view.setBigUint64(1, BigInt(offset), true);
  out.set(payload, HEADER);
  return out;
}
