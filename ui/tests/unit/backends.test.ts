// The two ways to the engine, against what stands on the other side of each.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeFrame } from '../../src/lib/backend/frame';
import { httpBackend } from '../../src/lib/backend/http';
import { tauriBackend } from '../../src/lib/backend/tauri';
import { entry } from '../fixture/entry';

const text = (value: string) => Uint8Array.from(new TextEncoder().encode(value));

describe('over the desktop’s bridge', () => {
  type Sent = { cmd: string; args: unknown; options: unknown };
  let sent: Sent[] = [];
  let channels: ((message: unknown) => void)[] = [];
  let next = 7;
  let slow: Promise<unknown> | null = null;
  const say = (message: unknown, index: number) => channels.at(-1)?.({ message, index });

  beforeEach(() => {
    sent = [];
    channels = [];
    slow = null;
    Object.assign(window, {
      __TAURI_INTERNALS__: {
        transformCallback: (callback: (message: unknown) => void) => channels.push(callback),
        unregisterCallback: () => {},
        invoke: async (cmd: string, args: { name?: string }, options: unknown) => {
          sent.push({ cmd, args, options });
          if (args.name === 'workspace.stop') throw { code: 'wrong-state', message: 'no' };
          if (args.name === 'stream.attach' && slow !== null) return slow;
          return args.name?.startsWith('stream.') ? { stream: next } : [];
        },
      },
    });
  });
  afterEach(() => {
    Reflect.deleteProperty(window, '__TAURI_INTERNALS__');
  });

  it('calls one command with a name and a body, and hands refusals on as they are', async () => {
    const backend = tauriBackend();
    await backend.call('workspace.list', {});
    expect(sent[0]).toMatchObject({ cmd: 'rpc', args: { name: 'workspace.list', body: {} } });
    await expect(backend.call('workspace.stop', { id: 'x' })).rejects.toEqual({ code: 'wrong-state', message: 'no' });
  });

  /** What the bridge answers to the calls that open something, in order. */
  const attach = async (numbers: number[]) => {
    const backend = tauriBackend();
    const streams = numbers.map((number) => ({ number, seen: [] as unknown[], lost: [] as unknown[] }));
    const attachments = [];
    for (const { number, seen, lost } of streams) {
      next = number;
      attachments.push(
        await backend.attach('w', `p-${number}`, 5, {
          frames: (batch) => seen.push(...batch),
          lost: (problem) => lost.push(problem),
        }),
      );
    }
    return { streams, attachments, backend };
  };
  const output = (value: string, offset = 5) => encodeFrame('terminal', offset, text(value));

  it('takes the output of all streams from one channel, each its own and in order', async () => {
    const { streams } = await attach([7, 8]);
    expect(channels).toHaveLength(1);
    expect(sent.map(({ args }) => (args as { name: string }).name)).toEqual([
      'stream.outlet',
      'stream.attach',
      'stream.attach',
    ]);
    say(Array.from(entry(7, output('hi'))), 0);
    say(
      new Uint8Array([...entry(8, output('a')), ...entry(7, output('yo', 7)), ...entry(8, output('b', 6))]).buffer,
      1,
    );
    expect(streams[0]?.seen).toMatchObject([
      { offset: 5, payload: text('hi') },
      { offset: 7, payload: text('yo') },
    ]);
    expect(streams[1]?.seen).toMatchObject([{ payload: text('a') }, { payload: text('b') }]);
    // Entries of a stream nobody has are passed over.
    say(entry(99, output('x')), 2);
  });

  it('loses nothing that comes before the number of its stream', async () => {
    const backend = tauriBackend();
    await backend.attach('w', 'p-first', 0, { frames: () => {}, lost: () => {} });
    let answer: (value: unknown) => void = () => {};
    slow = new Promise((done) => {
      answer = done;
    });
    const seen: unknown[] = [];
    const attached = backend.attach('w', 'p', 0, { frames: (batch) => seen.push(...batch), lost: () => {} });
    await vi.waitFor(() => expect(sent).toHaveLength(3));
    say(entry(12, output('early', 0)), 0);
    say(entry(12, output('too', 5)), 1);
    expect(seen).toEqual([]);
    answer({ stream: 12 });
    await attached;
    expect(seen).toMatchObject([{ payload: text('early') }, { payload: text('too') }]);
  });

  it('sends keys raw, and closes once', async () => {
    const { attachments } = await attach([7]);
    await attachments[0]?.input(text('x'));
    expect(sent.at(-1)).toMatchObject({
      cmd: 'rpc',
      args: text('x'),
      options: { headers: { name: 'stream.input', stream: '7' } },
    });
    attachments[0]?.close();
    attachments[0]?.close();
    expect(sent.filter(({ args }) => (args as { name?: string }).name === 'stream.close')).toHaveLength(1);
  });

  it('acknowledges all streams in one call: much soon, little later', async () => {
    vi.useFakeTimers();
    const { attachments } = await attach([7, 8, 9]);
    const acks = () =>
      sent.flatMap(({ args }) => {
        const { name, body } = args as { name?: string; body: { drawn: unknown } };
        return name === 'stream.ack' ? [body.drawn] : [];
      });
    attachments[0]?.ack(4, 9000);
    attachments[1]?.ack(5, 9000);
    attachments[0]?.ack(6, 9001);
    await vi.advanceTimersByTimeAsync(99);
    expect(acks()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(acks()).toEqual([
      [
        [7, 10, 9001],
        [8, 5, 9000],
      ],
    ]);
    attachments[2]?.ack(1, 9000);
    attachments[0]?.ack(5000, 20_000);
    attachments[0]?.ack(5000, 20_000);
    await vi.advanceTimersByTimeAsync(4);
    expect(acks().at(-1)).toEqual([
      [9, 1, 9000],
      [7, 10_000, 20_000],
    ]);
    attachments[1]?.ack(3, 9000);
    attachments[1]?.close();
    attachments[1]?.ack(3, 9000);
    await vi.advanceTimersByTimeAsync(200);
    expect(acks()).toHaveLength(2);
    vi.useRealTimers();
  });

  it('tells the end of one stream, and of all of them when it cannot read', async () => {
    const { streams } = await attach([7, 8]);
    say(new Uint8Array([...entry(7, output('last')), ...entry(7, new Uint8Array())]), 0);
    expect(streams[0]).toMatchObject({ seen: [{ payload: text('last') }], lost: [{ code: 'agent-lost' }] });
    expect(streams[1]?.lost).toEqual([]);
    say([1, 2, 3], 1);
    say([1, 2, 3], 2);
    expect([streams[0]?.lost.length, streams[1]?.lost.length]).toEqual([1, 1]);
  });
});

describe('over the loopback skin', () => {
  const base = new URL('http://127.0.0.1:7000/');

  it('sends the token and hands a Problem on', async () => {
    const fetched = vi
      .spyOn(globalThis, 'fetch')
      .mockResolvedValue(new Response(JSON.stringify({ code: 'not-found', message: 'none' }), { status: 404 }));
    await expect(httpBackend(base, 'secret').call('workspace.stop', { id: 'x' })).rejects.toMatchObject({
      code: 'not-found',
      message: 'none',
    });
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(String(url)).toBe('http://127.0.0.1:7000/v1/rpc/workspace.stop');
    expect(init).toMatchObject({ method: 'POST', headers: { authorization: 'Bearer secret' }, body: '{"id":"x"}' });
  });

  it('reads events over line breaks and heartbeats, then says that they ended', async () => {
    const event = { seq: 1, at_ms: 0, workspace: null, body: { kind: 'gap' } };
    const line = JSON.stringify(event);
    const pieces = [line.slice(0, 9), `${line.slice(9)}\n\n`, `${line}\n`];
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(text(piece));
        controller.close();
      },
    });
    vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body));
    const seen: unknown[] = [];
    const lost = await new Promise((done) => {
      void httpBackend(base, 't').events(41, { events: (batch) => seen.push(...batch), lost: done });
    });
    expect(seen).toEqual([event, event]);
    expect(lost).toMatchObject({ code: 'agent-lost' });
    expect(String(vi.mocked(fetch).mock.calls[0]?.[0])).toContain('v1/events?since=41');
  });
});
