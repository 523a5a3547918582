// The desktop's own backend: one `rpc` command and channels. The only file that imports `@tauri-apps/*`.
import { Channel, invoke } from '@tauri-apps/api/core';
import type { Event } from '../wire';
import { type Attachment, asProblem, type Backend, type DesktopEvent, type FrameSink } from './index';
import { Acknowledgements, Outlet } from './outlet';

type Opened = { stream: number };

function rpc<T>(name: string, body: unknown, channel?: Channel<never>): Promise<T> {
  return invoke<T>('rpc', { name, body, channel });
}

/** A call nobody waits for: its failure shows as the stream's own end, so it is only logged. */
function tell(name: string, body: unknown): void {
  rpc(name, body).catch((thrown: unknown) => console.warn(name, asProblem(thrown).message));
}

/** Output of every stream, and what goes back. */
class Output {
  #outlet = new Outlet();
  #acks = new Acknowledgements((drawn) => tell('stream.ack', { drawn }));
  #opened: Promise<unknown> | null = null;

  async stream(name: string, body: unknown, sink: FrameSink): Promise<Attachment & Opened> {
    await this.#open();
    const stream = await this.#outlet.open(sink, async () => (await rpc<Opened>(name, body)).stream);
    let closed = false;
    return {
      stream,
      input: (bytes) => invoke('rpc', bytes, { headers: { name: 'stream.input', stream: String(stream) } }),
      ack: (bytes, fits) => {
        if (!closed) this.#acks.add(stream, bytes, fits);
      },
      close: () => {
        // Also after the stream ended by itself: the bridge keeps its entry until it is told.
        if (closed) return;
        closed = true;
        this.#outlet.close(stream);
        this.#acks.forget(stream);
        tell('stream.close', { stream });
      },
    };
  }

  /** The channel, once; again when that failed. */
  #open(): Promise<unknown> {
    const channel = () => new Channel<ArrayBuffer | number[]>((message) => this.#outlet.take(message));
    this.#opened ??= rpc<Opened>('stream.outlet', {}, channel() as Channel<never>).catch((thrown: unknown) => {
      this.#opened = null;
      throw thrown;
    });
    return this.#opened;
  }
}

export function tauriBackend(): Backend {
  const output = new Output();
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

    attach: (id, process, offset, sink) => output.stream('stream.attach', { id, process, offset }, sink),

    async host(size, sink) {
      const attachment = await output.stream('stream.host', size, sink);
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
