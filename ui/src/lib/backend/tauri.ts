// The desktop's own backend: one `rpc` command and channels. The only file that imports `@tauri-apps/*`.
import { Channel, invoke } from '@tauri-apps/api/core';
import type { Event, Problem } from '../wire';
import { decodeFrames } from './frame';
import { type Attachment, asProblem, type Backend, type DesktopEvent, type FrameSink } from './index';

type Opened = { stream: number };
/** Frames, or that there will be no more of them though the process did not end. */
type Output = ArrayBuffer | number[] | { lost: Problem };

function rpc<T>(name: string, body: unknown, channel?: Channel<never>): Promise<T> {
  return invoke<T>('rpc', { name, body, channel });
}

/** A call nobody waits for: its failure shows as the stream's own end, so it is only logged. */
function tell(name: string, body: unknown): void {
  rpc(name, body).catch((thrown: unknown) => console.warn(name, asProblem(thrown).message));
}

function bytesOf(message: ArrayBuffer | number[] | Uint8Array): Uint8Array {
  // Small raw messages arrive as arrays of numbers, larger ones as an ArrayBuffer.
  return message instanceof Uint8Array ? message : new Uint8Array(message);
}

/** A stream of output, and what goes back. */
async function output(name: string, body: unknown, sink: FrameSink): Promise<Attachment & Opened> {
  let [open, closed] = [true, false];
  const channel = new Channel<Output>((message) => {
    if (!open) return;
    if ('lost' in message) {
      open = false;
      sink.lost(message.lost);
      return;
    }
    try {
      sink.frames(decodeFrames(bytesOf(message)));
    } catch (thrown) {
      open = false;
      sink.lost(asProblem(thrown));
    }
  });
  const { stream } = await rpc<Opened>(name, body, channel as Channel<never>);
  return {
    stream,
    input: (bytes) => invoke('rpc', bytes, { headers: { name: 'stream.input', stream: String(stream) } }),
    ack: (bytes) => tell('stream.ack', { stream, bytes }),
    close: () => {
      // Also after the stream ended by itself: the bridge keeps its entry until it is told.
      if (closed) return;
      closed = true;
      open = false;
      tell('stream.close', { stream });
    },
  };
}

export function tauriBackend(): Backend {
  return {
    call: (name, body) => rpc(name, body),
    desktop: (name, body) => rpc(name, body),

    async events(since, sink) {
      const channel = new Channel<Event | Event[]>((message) =>
        sink.events(Array.isArray(message) ? message : [message]),
      );
      const { stream } = await rpc<Opened>('stream.events', { since }, channel as Channel<never>);
      return () => tell('stream.close', { stream });
    },

    attach: (id, process, offset, sink) => output('stream.attach', { id, process, offset }, sink),

    async host(size, sink) {
      const attachment = await output('stream.host', size, sink);
      const { stream } = attachment;
      return { ...attachment, resize: (size) => rpc('stream.host-size', { stream, ...size }) };
    },

    async desktopEvents(sink) {
      const channel = new Channel<DesktopEvent | DesktopEvent[]>((message) => {
        for (const event of Array.isArray(message) ? message : [message]) sink(event);
      });
      const { stream } = await rpc<Opened>('stream.desktop', {}, channel as Channel<never>);
      return () => tell('stream.close', { stream });
    },
  };
}
