// The loopback skin's backend: the same commands over HTTP and WebSocket, for a browser tab. The desktop's own calls
// are answered by what a browser can do; the preview is a frame laid over the pane.
import type { Event, Problem } from '../wire';
import { browserDesktop } from './browser';
import { decodeFrame } from './frame';
import { asProblem, type Backend, type EventSink } from './index';

const MAX_LINE = 4 * 1024 * 1024;
/** Output received but not yet shown, bytes. A WebSocket cannot be slowed down, so beyond this it is opened anew. */
const MAX_BEHIND = 8 * 1024 * 1024;

/** Reads newline-delimited events; an empty line is a heartbeat. */
async function readEvents(body: ReadableStream<Uint8Array>, sink: EventSink): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw new RangeError('an event is over the bound');
    const batch = lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Event);
    if (batch.length > 0) sink.events(batch);
  }
}

export function httpBackend(base: URL, token: string): Backend {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const desktop = browserDesktop();

  async function call<T>(name: string, body: unknown): Promise<T> {
    let answer: Response;
    try {
      answer = await fetch(new URL(`v1/rpc/${name}`, base), { method: 'POST', headers, body: JSON.stringify(body) });
    } catch (thrown) {
      throw { ...asProblem(thrown), code: 'agent-lost' } satisfies Problem;
    }
    const value: unknown = await answer.json();
    if (!answer.ok) throw asProblem(value);
    return value as T;
  }

  return {
    call: (name, body) => call(name, body),
    desktop: desktop.call,

    async events(since, sink) {
      const stop = new AbortController();
      const query = since === null ? '' : `?since=${since}`;
      const answer = await fetch(new URL(`v1/events${query}`, base), { headers, signal: stop.signal });
      if (!answer.ok || answer.body === null) throw asProblem(await answer.json());
      readEvents(answer.body, sink)
        .then(() => ({ code: 'agent-lost', message: 'the event stream ended' }) satisfies Problem, asProblem)
        .then((problem) => {
          if (!stop.signal.aborted) sink.lost(problem);
        });
      return () => stop.abort();
    },

    attach(id, process, offset, sink) {
      const url = new URL('v1/attach', base);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      url.search = new URLSearchParams({ id, process, offset: String(offset), lossless: '1', token }).toString();
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      let closed = false;
      let exited = false;
      let behind = 0;
      const lose = (problem: Problem) => {
        if (closed) return;
        closed = true;
        socket.close();
        sink.lost(problem);
      };
      socket.onmessage = (message: MessageEvent<ArrayBuffer | string>) => {
        if (closed || typeof message.data === 'string') return;
        try {
          const frame = decodeFrame(new Uint8Array(message.data));
          exited ||= frame.kind === 'exit';
          if ('payload' in frame) behind += frame.payload.length;
          sink.frames([frame]);
          if (behind > MAX_BEHIND) lose({ code: 'limit', message: 'the output came faster than it could be shown' });
        } catch (thrown) {
          lose(asProblem(thrown));
        }
      };
      socket.onclose = (event) => {
        if (!exited) lose({ code: 'agent-lost', message: event.reason || 'the connection ended' });
      };
      return new Promise((resolve, reject) => {
        socket.onerror = () => reject({ code: 'agent-lost', message: 'could not attach' } satisfies Problem);
        socket.onopen = () =>
          resolve({
            input: async (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
            ack: (bytes) => {
              behind -= bytes;
            },
            close: () => {
              closed = true;
              socket.close();
            },
          });
      });
    },

    host: () =>
      Promise.reject({ code: 'refused', message: 'A browser tab has no shell of this machine.' } satisfies Problem),

    desktopEvents: desktop.events,
  };
}
