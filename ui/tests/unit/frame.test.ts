import { describe, expect, it } from 'vitest';
import { decodeEntries, decodeFrame, encodeFrame, MAX_FRAME } from '../../src/lib/backend/frame';
import { entry } from '../fixture/entry';

// The test's own Uint8Array: jsdom's TextEncoder makes those of another realm, which never compare equal.
const text = (value: string) => Uint8Array.from(new TextEncoder().encode(value));

describe('frames', () => {
  it('come back as they went, many in one message', () => {
    const bytes = new Uint8Array([
      ...entry(3, encodeFrame('terminal', 7, text('one'))),
      ...entry(2 ** 31, encodeFrame('stderr', 2 ** 40, text(''))),
      ...entry(3, new Uint8Array()),
    ]);
    expect(decodeEntries(bytes)).toEqual([
      { stream: 3, frame: { kind: 'terminal', offset: 7, payload: text('one') } },
      { stream: 2 ** 31, frame: { kind: 'stderr', offset: 2 ** 40, payload: text('') } },
      { stream: 3, frame: null },
    ]);
  });

  it('tell a gap by where it began', () => {
    const from = new Uint8Array(8);
    new DataView(from.buffer).setBigUint64(0, 100n, true);
    expect(decodeFrame(encodeFrame('gap', 4096, from))).toEqual({ kind: 'gap', offset: 4096, from: 100 });
  });

  it('tell an exit by its code or signal', () => {
    expect(decodeFrame(encodeFrame('exit', 9, text('{"code":null,"signal":9}')))).toEqual({
      kind: 'exit',
      offset: 9,
      exit: { code: null, signal: 9 },
    });
  });

  it.each([
    ['shorter than its header', new Uint8Array(8), /shorter/],
    ['over the bound', new Uint8Array(MAX_FRAME + 1), /bound/],
    ['of an unknown kind', new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 0]), /unknown/],
  ])('%s are refused', (_what, bytes, why) => {
    expect(() => decodeFrame(bytes)).toThrow(why);
  });

  it('that are cut off are refused', () => {
    const whole = entry(1, encodeFrame('stdout', 0, text('abc')));
    expect(() => decodeEntries(whole.subarray(0, whole.length - 1))).toThrow(/cut off/);
    expect(() => decodeEntries(new Uint8Array([1, 0]))).toThrow(/cut off/);
    expect(() => decodeEntries(new Uint8Array([3, 0, 0, 0, 1, 0, 0, 0]))).toThrow(/cut off/);
  });
});
