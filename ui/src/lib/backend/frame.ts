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

/** Reads frames that each have a u32 little-endian length before them. */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new RangeError('a frame length is cut off');
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > bytes.length) throw new RangeError('a frame is cut off');
    frames.push(decodeFrame(bytes.subarray(at, at + length)));
    at += length;
  }
  return frames;
}

/** One frame as bytes, with its length before it when `framed`. */
export function encodeFrame(kind: Frame['kind'], offset: number, payload: Uint8Array, framed = false): Uint8Array {
  const lead = framed ? 4 : 0;
  const out = new Uint8Array(lead + HEADER + payload.length);
  const view = new DataView(out.buffer);
  if (framed) view.setUint32(0, HEADER + payload.length, true);
  view.setUint8(lead, KINDS.indexOf(kind));
  view.setBigUint64(lead + 1, BigInt(offset), true);
  out.set(payload, lead + HEADER);
  return out;
}
