// What end-to-end tests may ask of the window; loaded only when the desktop says that a test drives it. It watches and
// steps where a person would look and click; it is no second way into anything.
import type { Attachment, Backend } from './lib/backend';
import type { App } from './lib/state/app.svelte';
import type { Session } from './lib/terminal/session';

/** What came out of one process: bytes, their FNV-1a sum, how many of them were parsed, and what was missing. */
type Output = { bytes: number; sum: number; parsed: number; gaps: number; odd: number };

export type TestHook = {
  terminalText: () => string;
  selected: () => string | null;
  link: () => string;
  /** Every workspace in the list. */
  workspaces: () => { id: string; state: string }[];
  select: (id: string) => void;
  /** Opens a program in a terminal of a workspace, in front. */
  open: (id: string, argv: string[]) => Promise<string | undefined>;
  /** Processes that people opened and that have not ended, in all workspaces that were looked into. */
  running: () => number;
  /** What a terminal holds, also one out of sight. */
  textOf: (process: string) => string;
  /** Nothing of how terminals stand is on its way to the engine. */
  arranged: () => boolean;
  /** From now on every stream of output is summed. */
  watchOutput: () => void;
  outputs: () => Record<string, Output>;
  /** From now on: milliseconds from each key pressed in the terminal in front to its character parsed. */
  watchKeys: () => void;
  keys: () => number[];
  /** Milliseconds from the next Ctrl+C in the terminal in front until its program has ended and the prompt is parsed. */
  interrupted: () => Promise<number>;
};

const PRIME = 0x01000193;
const BASIS = 0x811c9dc5;

function watched(attach: Backend['attach'], outputs: Map<string, Output>): Backend['attach'] {
  return async (id, process, offset, sink) => {
    const output = outputs.get(process) ?? { bytes: offset, sum: BASIS, parsed: offset, gaps: 0, odd: 0 };
    outputs.set(process, output);
    const attachment: Attachment = await attach(id, process, offset, {
      ...sink,
      frames: (batch) => {
        for (const frame of batch) {
          if (frame.kind === 'gap') output.gaps += 1;
          if (!('payload' in frame)) continue;
          if (frame.offset !== output.bytes) output.odd += 1;
          let sum = output.sum;
          for (const byte of frame.payload) sum = Math.imul(sum ^ byte, PRIME);
          output.sum = sum >>> 0;
          output.bytes = frame.offset + frame.payload.length;
        }
        sink.frames(batch);
      },
    });
    return {
      ...attachment,
      ack: (bytes, fits) => {
        output.parsed += bytes;
        attachment.ack(bytes, fits);
      },
    };
  };
}

function watchKeys(session: Session | null, took: number[]): void {
  if (session === null) return;
  const { terminal } = session;
  let pressed: { at: number; key: string }[] = [];
  session.element.addEventListener(
    'keydown',
    (event) => {
      if (event.key.length === 1 && !event.ctrlKey) pressed.push({ at: event.timeStamp, key: event.key });
    },
    { capture: true },
  );
  terminal.onWriteParsed(() => {
    if (pressed.length === 0) return;
    const { active } = terminal.buffer;
    const before = active.getLine(active.baseY + active.cursorY)?.getCell(active.cursorX - 1);
    // One write may bring several; then the cursor stands behind the last of them.
    const last = pressed.findIndex(({ key }) => key === before?.getChars());
    const now = performance.now();
    took.push(...pressed.slice(0, last + 1).map(({ at }) => now - at));
    pressed = pressed.slice(last + 1);
  });
}

/** The line of the prompt is the last one, and the interrupt stands before it. */
function prompts({ buffer: { active } }: Session['terminal']): boolean {
  const rows = Array.from({ length: 4 }, (_, n) => active.getLine(active.baseY + active.cursorY - 3 + n));
  // What it stands behind may fill the line to its last column.
  const text = rows.map((row) => (row?.isWrapped ? '' : '\n') + (row?.translateToString(true) ?? '')).join('');
  return text.includes('^C') && /[$#]\s*$/.test(text);
}

function interrupted(session: Session | null): Promise<number> {
  return new Promise((done) => {
    if (session === null) return;
    const { terminal } = session;
    let pressed: number | null = null;
    const key = (event: KeyboardEvent) => {
      if (event.ctrlKey && event.key.toLowerCase() === 'c') pressed ??= event.timeStamp;
    };
    session.element.addEventListener('keydown', key, { capture: true });
    const parsed = terminal.onWriteParsed(() => {
      if (pressed === null || !prompts(terminal)) return;
      parsed.dispose();
      session.element.removeEventListener('keydown', key, { capture: true });
      done(performance.now() - pressed);
    });
  });
}

export function testHook(app: App): TestHook {
  const outputs = new Map<string, Output>();
  const keys: number[] = [];
  return {
    terminalText: () => app.terminals.active?.text() ?? '',
    selected: () => app.view.selected,
    link: () => app.feed.link,
    workspaces: () => app.store.workspaces.map(({ id, state }) => ({ id, state })),
    select: (id) => app.view.select(id),
    open: async (id, argv) => (await app.terminals.openShell(id, argv))?.id,
    running: () =>
      app.store
        .rooms()
        .flatMap((id) => app.store.room(id)?.processes ?? [])
        .filter(({ role, exit }) => role === 'terminal' && exit === null).length,
    textOf: (process) => app.terminals.sessionOf(process)?.text() ?? '',
    arranged: () => app.terminals.arrangement.settled,
    watchOutput: () => {
      app.backend.attach = watched(app.backend.attach.bind(app.backend), outputs);
    },
    outputs: () => Object.fromEntries(outputs),
    watchKeys: () => watchKeys(app.terminals.active, keys),
    keys: () => keys,
    interrupted: () => interrupted(app.terminals.active),
  };
}
