// What a terminal on the page is connected to: a process of a workspace. Told apart from the terminal itself, so that a
// shell of this machine (host.svelte.ts) is shown by the same one.
import type { Attachment, FrameSink } from '../backend';
import type { ProcessEnd } from '../backend/frame';
import type { App } from '../state/app.svelte';
import type { Process, WindowSize } from '../wire';
import { followLink } from './links';

/** Lines of a terminal that stay when they scroll out of sight. */
export const SCROLLBACK = 10_000;

export type Line = {
  readonly key: string;
  /** The process behind it, where it is one of a workspace. */
  readonly process: Process | null;
  /** It has a terminal; pipes print bare line ends. */
  readonly terminal: boolean;
  /** Its program has ended. */
  over: () => boolean;
  /** Bytes it had printed before now. */
  written: () => Promise<number>;
  attach: (offset: number, size: WindowSize, sink: FrameSink) => Promise<Attachment>;
  resize: (size: WindowSize) => Promise<unknown>;
  /** A link in its output was clicked. */
  follow: (uri: string) => void;
  /** After a stream that ended by itself: whether there is something to attach to again. */
  stays: () => boolean;
  ended: (exit: ProcessEnd) => void;
};

export function processLine(app: App, process: Process): Line {
  const { workspace, id } = process;
  const now = () => app.store.room(workspace)?.processes.find((other) => other.id === id);
  return {
    key: `${workspace}/${id}`,
    process,
    terminal: process.terminal,
    over: () => process.exit !== null,
    written: async () => {
      const listed = await app.backend.call('process.list', { id: workspace });
      return listed.find((other) => other.id === id)?.bytes ?? 0;
    },
    attach: (offset, _size, sink) => app.backend.attach(workspace, id, offset, sink),
    resize: (size) => app.backend.call('process.resize', { id: workspace, process: id, size }),
    follow: (uri) => followLink(app, workspace, uri),
    stays: () => app.store.room(workspace) === null || now() !== undefined,
    ended: (exit) => {
      // The stream's last word is the engine's as much as an event is, and it comes for every kind of process.
      const known = now();
      if (known !== undefined && known.exit === null) app.store.putProcess({ ...known, exit });
    },
  };
}
