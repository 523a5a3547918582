// The two ways to the engine, against what stands on the other side of each.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeFrame } from '../../src/lib/backend/frame';
import { httpBackend } from '../../src/lib/backend/http';
import { tauriBackend } from '../../src/lib/backend/tauri';

const text = (value: string) => Uint8Array.from(new TextEncoder().encode(value));

describe('over the desktop’s bridge', () => {
  type Sent = { cmd: string; args: unknown; options: unknown };
  let sent: Sent[] = [];
  let channels: ((message: unknown) => void)[] = [];
  const say = (message: unknown, index: number) => channels.at(-1)?.({ message, index });

  beforeEach(() => {
    sent = [];
    channels = [];
    Object.assign(window, {
      __TAURI_INTERNALS__: {
        transformCallback: (callback: (message: unknown) => void) => channels.push(callback),
        unregisterCallback: () => {},
        invoke: async (cmd: string, args: { name?: string }, options: unknown) => {
          sent.push({ cmd, args, options });
          if (args.name === 'workspace.stop') throw { code: 'wrong-state', message: 'no' };
          return args.name?.startsWith('stream.') ? { stream: 7 } : [];
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

  it('reads frames, sends keys raw, acknowledges, and closes once', async () => {
    const seen: unknown[] = [];
    const lost: unknown[] = [];
    const attachment = await tauriBackend().attach('w', 'p', 5, {
      frames: (batch) => seen.push(...batch),
      lost: (problem) => lost.push(problem),
    });
    say(Array.from(encodeFrame('terminal', 5, text('hi'), true)), 0);
    say(encodeFrame('stdout', 7, text('yo'), true).buffer, 1);
    expect(seen).toMatchObject([
      { kind: 'terminal', offset: 5 },
      { kind: 'stdout', offset: 7 },
    ]);
    await attachment.input(text('x'));
    expect(sent.at(-1)).toMatchObject({
      cmd: 'rpc',
      args: text('x'),
      options: { headers: { name: 'stream.input', stream: '7' } },
    });
    attachment.ack(4);
    expect(sent.at(-1)?.args).toMatchObject({ name: 'stream.ack', body: { stream: 7, bytes: 4 } });
    say({ lost: { code: 'agent-lost', message: 'gone' } }, 2);
    expect(lost).toEqual([{ code: 'agent-lost', message: 'gone' }]);
    attachment.close();
    attachment.close();
    expect(sent.filter(({ args }) => (args as { name?: string }).name === 'stream.close')).toHaveLength(1);
  });

  it('gives up on a stream it cannot read', async () => {
    const lost: unknown[] = [];
    await tauriBackend().attach('w', 'p', 0, { frames: () => {}, lost: (problem) => lost.push(problem) });
    say([1, 2, 3], 0);
    say([1, 2, 3], 1);
    expect(lost).toHaveLength(1);
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
