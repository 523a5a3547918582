// The one door to the engine and the desktop. Everything above speaks to `Backend`; what is below it (Tauri, the
// loopback skin, the tests' fixture) is not known to any component.
import type { Commands, Event, LogQuery, Problem, ProcessId, Theme, WindowSize, WorkspaceId } from '../wire';
import type { Frame } from './frame';

export type CommandName = keyof Commands;

export type Sample = { name: string; title: string; detail: string };

export type DesktopStart = {
  /** Paths given on the command line. */
  open: string[];
  samples: Sample[];
  os: 'linux' | 'macos' | 'windows';
  version: string;
  /** An end-to-end test drives this window. */
  test: boolean;
  /** The host tab is switched on; null where there is none. */
  host_shell: boolean | null;
};

/** CSS pixels of the window's content. */
export type Rectangle = { x: number; y: number; width: number; height: number };

/** Keys pressed together while the previewed page has the keyboard; with `stay` it keeps it. */
export type PageChord = { key: string; ctrl: boolean; shift: boolean; alt: boolean; stay: boolean };

export type DesktopCommands = {
  'desktop.start': [Record<string, never>, DesktopStart];
  'desktop.preview-place': [Rectangle & { visible: boolean }, unknown];
  'desktop.preview-load': [{ url: string }, unknown];
  'desktop.preview-act': [{ action: 'back' | 'forward' | 'reload' | 'hard-reload' | 'stop' }, unknown];
  'desktop.preview-zoom': [{ factor: number }, unknown];
  'desktop.preview-snapshot': [{ save: boolean; clipboard: boolean }, { png_base64?: string; path?: string }];
  'desktop.open-external': [{ url: string }, unknown];
  /** `snapshot` opens the file of one, `save` says where to write one and suggests `name`. */
  'desktop.choose': [{ kind: 'zip' | 'folder' | 'snapshot' | 'save'; name?: string }, { paths: string[] }];
  /** Writes what fits the question to a file: lines for people, or every record as JSON. */
  'desktop.save-log': [{ query: LogQuery; path: string; json: boolean }, { lines: number }];
  /** Files and folders of this machine into a folder of a workspace; what is there already only with `replace`. */
  'desktop.upload': [
    { id: WorkspaceId; paths: string[]; into: string; replace: boolean },
    /** `ended` says why the rest was not sent: it was cancelled, or one of them failed. */
    { written: string[]; there: string[]; left_out: number; ended: Problem | null },
  ];
  /** A file as it is, a folder as a zip. */
  'desktop.download': [{ id: WorkspaceId; path: string; to: string }, { left_out: number }];
  /** Cancels one of either, by the number it is told of with. */
  'desktop.carry-cancel': [{ carry: number }, unknown];
  'desktop.clipboard-write': [{ text: string }, unknown];
  'desktop.clipboard-read': [Record<string, never>, { text: string }];
  'desktop.shortcuts': [{ chords: PageChord[] }, unknown];
  'desktop.interactive': [{ painted_at_ms: number | null }, unknown];
  'desktop.theme': [{ theme: Theme }, unknown];
  'desktop.new-window': [{ id: WorkspaceId }, unknown];
  /**
   * Says something outside the window, once for each tag however many windows ask; `shown` is false when one of ours has
   * the focus, or the system shows nothing.
   */
  'desktop.notify': [{ title: string; text: string; tag: string }, { shown: boolean }];
  /** Switches the host tab on or off, in every window. */
  'desktop.host-shell': [{ on: boolean }, unknown];
  'desktop.close': [{ keep: boolean }, unknown];
};
export type DesktopName = keyof DesktopCommands;

/** How far something is that goes over the window's edge, in any window. */
export type Carry = {
  carry: number;
  id: WorkspaceId;
  way: 'in' | 'out';
  /** What of it is on its way now. */
  name: string;
  /** The folder it goes to. */
  place: string;
  /** Which of them that is, from 1 on, and how many go together. */
  nth: number;
  of: number;
  /** Bytes that went, and of all of it once they are known. */
  done: number;
  total: number | null;
  cancelled: boolean;
};

export type DesktopEvent =
  | {
      kind: 'drag';
      phase: 'enter' | 'over' | 'leave' | 'drop';
      paths: string[];
      over: 'ui' | 'preview';
      x: number;
      y: number;
    }
  | { kind: 'preview'; url: string; title: string; loading: boolean; can_back: boolean; can_forward: boolean }
  | { kind: 'open'; paths: string[] }
  | { kind: 'close-requested' }
  | { kind: 'host-shell'; on: boolean }
  /** Something the desktop did or refused, in one sentence. */
  | { kind: 'notice'; text: string }
  /** Told ten times a second at most, of what takes longer than a moment. */
  | ({ kind: 'carry' } & Carry)
  /** That is over, however it ended. */
  | { kind: 'carry-ended'; carry: number }
  /** A workspace was chosen outside the window, in the tray. */
  | { kind: 'show'; id: WorkspaceId }
  /** Keys of ours were pressed while the previewed page had the keyboard. */
  | { kind: 'shortcut'; key: string; ctrl: boolean; shift: boolean; alt: boolean };

/** Ends a stream. Closing twice is harmless. */
export type Close = () => void;

export type EventSink = {
  /** Events in order, one batch per message. */
  events: (batch: Event[]) => void;
  /** The stream ended without being closed by us. */
  lost: (problem: Problem) => void;
};

export type FrameSink = {
  frames: (batch: Frame[]) => void;
  lost: (problem: Problem) => void;
};

/** An attached process. */
export type Attachment = {
  /** Keystrokes or a paste, as bytes. */
  input: (bytes: Uint8Array) => Promise<void>;
  /** Payload bytes now on screen; opens the window for more. And how many such bytes one frame has time for. */
  ack: (bytes: number, fits: number) => void;
  close: Close;
};

/** A shell of this machine, attached. */
export type HostAttachment = Attachment & { resize: (size: WindowSize) => Promise<unknown> };

export interface Backend {
  /** Calls a command of the engine. Rejects with a {@link Problem}. */
  call<K extends CommandName>(name: K, body: Commands[K][0]): Promise<Commands[K][1]>;
  /** Calls the desktop around the window. Rejects with a {@link Problem}. */
  desktop<K extends DesktopName>(name: K, body: DesktopCommands[K][0]): Promise<DesktopCommands[K][1]>;
  /** Every event after `since`; with null from now on. */
  events(since: number | null, sink: EventSink): Promise<Close>;
  /** Output of a process from a byte offset on. */
  attach(id: WorkspaceId, process: ProcessId, offset: number, sink: FrameSink): Promise<Attachment>;
  /** Starts a shell of this machine; it ends with the attachment. Only the desktop has one. */
  host(size: WindowSize, sink: FrameSink): Promise<HostAttachment>;
  /** What the window and its preview tell. */
  desktopEvents(sink: (event: DesktopEvent) => void): Promise<Close>;
}

/** Whatever was thrown, as a Problem. */
export function asProblem(thrown: unknown): Problem {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown) {
    return thrown as Problem;
  }
  return { code: 'internal', message: thrown instanceof Error ? thrown.message : String(thrown) };
}
