import { Terminal } from '@xterm/xterm';
import { describe, expect, it, vi } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import { HARDENED, harden } from '../../src/lib/terminal/hostile';
import { Intake } from '../../src/lib/terminal/intake';
import { processLine } from '../../src/lib/terminal/line';
import { followLink } from '../../src/lib/terminal/links';
import { pasteInto } from '../../src/lib/terminal/paste';
import { Places } from '../../src/lib/terminal/places';
import { Session } from '../../src/lib/terminal/session';
import { type Turn, Turns } from '../../src/lib/terminal/turns';
import type { Process } from '../../src/lib/wire';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';
import { ready } from '../fixture/data';

const text = (value: string) => new TextEncoder().encode(value);
const written = (terminal: Terminal, data: string) => new Promise<void>((done) => terminal.write(data, done));

describe('output', () => {
  it('is acknowledged byte for byte once it was parsed', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const acks: number[] = [];
    const fits: number[] = [];
    const intake = new Intake(
      terminal,
      new Turns(),
      () => true,
      (bytes, like) => {
        fits.push(like);
        return acks.push(bytes) > 0;
      },
    );
    const total = 300 * 1024;
    intake.put(text('x'.repeat(total)), 0);
    await vi.waitFor(() => expect(acks.reduce((sum, bytes) => sum + bytes, 0)).toBe(total), 5000);
    expect(Math.min(...fits)).toBeGreaterThanOrEqual(1024);
    expect(acks.length).toBeGreaterThan(1);
    expect(Math.max(...acks)).toBeLessThanOrEqual(160 * 1024);
  });

  it('that is old gets no answers, and what follows does', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const intake = new Intake(
      terminal,
      new Turns(),
      () => true,
      () => true,
    );
    const sent: string[] = [];
    terminal.onData((data) => {
      if (!intake.inHistory) sent.push(data);
    });
    const old = text('\x1b[6n');
    intake.historyUntil(old.length);
    intake.put(old, 0);
    intake.put(text('\x1b[5n'), old.length);
    await vi.waitFor(() => expect(sent).toEqual(['\x1b[0n']));
  });

  it('is acknowledged again when nobody heard it', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const acks: number[] = [];
    let heard = false;
    const intake = new Intake(
      terminal,
      new Turns(),
      () => true,
      (bytes) => acks.push(bytes) > 0 && heard,
    );
    intake.put(text('abc'), 0);
    await vi.waitFor(() => expect(acks).toEqual([3]));
    heard = true;
    intake.flushAcks();
    intake.flushAcks();
    expect(acks).toEqual([3, 3]);
  });

  it('of a terminal that goes away in its turn holds up no other', async () => {
    const turns = new Turns();
    const [gone, stays] = [new Terminal({ allowProposedApi: true }), new Terminal({ allowProposedApi: true })];
    const acks: number[] = [];
    const first = new Intake(
      gone,
      turns,
      () => true,
      () => true,
    );
    const second = new Intake(
      stays,
      turns,
      () => true,
      (bytes) => acks.push(bytes) > 0,
    );
    first.put(text('x'.repeat(100_000)), 0);
    second.put(text('abc'), 0);
    first.close();
    gone.dispose();
    await vi.waitFor(() => expect(acks).toEqual([3]));
  });

  it('our own notes are never acknowledged', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const acks: number[] = [];
    const intake = new Intake(
      terminal,
      new Turns(),
      () => true,
      (bytes) => acks.push(bytes) > 0,
    );
    intake.note('gone');
    intake.put(text('abc'), 0);
    await vi.waitFor(() => expect(acks).toEqual([3]));
  });
});

describe('the time of a frame', () => {
  it('goes to those in sight first and leaves a part to the others, however many there are', async () => {
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const frames: (() => void)[] = [];
    vi.spyOn(globalThis, 'requestAnimationFrame').mockImplementation((frame) => frames.push(() => frame(now)));
    const turns = new Turns();
    let served: { name: string; ms: number }[] = [];
    /** One who always has more to parse, and takes all the time it is given. */
    const busy = (name: string, seen: boolean): Turn => {
      const turn: Turn = {
        seen: () => seen,
        parse: (ms, done) => {
          served.push({ name, ms });
          queueMicrotask(() => {
            now += ms;
            turns.want(turn);
            done(ms);
          });
        },
      };
      return turn;
    };
    for (let n = 0; n < 12; n += 1) turns.want(busy(`hidden ${n}`, false));
    turns.want(busy('seen', true));
    const settled = () => new Promise((done) => setTimeout(done));
    await settled();
    const all = new Set<string>();
    for (let n = 0; n < 40; n += 1) {
      served = [];
      now += 16;
      for (const frame of frames.splice(0)) frame();
      await settled();
      expect(served[0]?.name).toBe('seen');
      expect(served.reduce((sum, { ms }) => sum + ms, 0)).toBeLessThanOrEqual(9);
      for (const { name } of served) all.add(name);
    }
    expect(all.size).toBe(13);
    vi.restoreAllMocks();
  });

  it('is what parsing takes, not what the parser waits for its own timer', () => {
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const timers: (() => void)[] = [];
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((then: () => void) => timers.push(then)) as never);
    // Nobody gives turns but the test.
    vi.spyOn(Turns.prototype, 'want').mockImplementation(() => {});
    const terminal = new Terminal({ allowProposedApi: true });
    terminal.parser.registerOscHandler(4711, () => {
      now += 5;
      return true;
    });
    const intake = new Intake(
      terminal,
      new Turns(),
      () => true,
      () => true,
    );
    const took: number[] = [];
    intake.put(text('\x1b]4711;slow\x07'), 0);
    intake.parse(8, (ms) => took.push(ms));
    now += 500;
    for (const timer of timers.splice(0)) timer();
    vi.restoreAllMocks();
    expect(took).toEqual([5]);
  });

  it('is not waited for by what comes in sight while there is some left', () => {
    const [turns, log] = [new Turns(), [] as string[]];
    const turn = (name: string, seen: boolean): Turn => ({
      seen: () => seen,
      parse: (_ms, done) => {
        log.push(name);
        done(0);
      },
    });
    turns.want(turn('now', true));
    turns.want(turn('later', false));
    expect(log).toEqual(['now']);
  });
});

describe('hostile sequences', () => {
  const listen = () => {
    const terminal = new Terminal({ ...HARDENED, allowProposedApi: true });
    harden(terminal);
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    return { terminal, sent };
  };
  it.each([
    ['a clipboard read (OSC 52)', '\x1b]52;c;?\x07'],
    ['a clipboard write (OSC 52)', '\x1b]52;c;cm0gLXJmIH4K\x1b\\'],
    ['a title report', '\x1b]0;evil; touch /tmp/x\x07\x1b[21t'],
    ['an icon title report', '\x1b]1;evil\x07\x1b[20t'],
    ['a title from the stack', '\x1b]2;evil\x07\x1b[22;0t\x1b[23;0t\x1b[21t'],
    ['a font query (OSC 50)', '\x1b]50;?\x07'],
    ['a font that is set and asked for (OSC 50)', '\x1b]50;evil\n\x07\x1b]50;?\x07'],
    ['a settings query (DECRQSS)', '\x1bP$qm\x1b\\'],
    ['a settings query of nonsense', '\x1bP$q\nevil\n\x1b\\'],
    ['a capability query (XTGETTCAP)', '\x1bP+q6576696c\x1b\\'],
    ['an answerback', '\x05'],
    ['window moves and sizes', '\x1b[3;0;0t\x1b[8;1;1t\x1b[18t\x1b[14t'],
  ])('%s put nothing on the input', async (_what, sequence) => {
    const { terminal, sent } = listen();
    await written(terminal, sequence);
    expect(sent).toEqual([]);
    expect([terminal.cols, terminal.rows]).toEqual([80, 24]);
  });

  it('of any kind, however they are cut, never bring a program’s own words back', async () => {
    // A fixed seed: what fails once fails again.
    let seed = 20261121;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return seed % below;
    };
    const pick = <T>(list: T[]): T => list[random(list.length)] as T;
    const { terminal, sent } = listen();
    for (let round = 0; round < 600; round += 1) {
      const words = `evil${round}`;
      const end = pick(['\x07', '\x1b\\', '\x9c', '\x18', '']);
      const sequence = pick([
        () =>
          `\x1b]${pick([0, 1, 2, 4, 8, 10, 11, 12, 50, 52, 104, 777, 1337])};${pick(['?', words, `${words};?`, `c;${words}`])}${end}`,
        () => `\x1bP${pick(['$q', '+q', '>|', '', '1$r', '0;1|'])}${words}\n${end}`,
        () =>
          `\x1b[${pick(['', '>', '?', '=', '$'])}${random(60)};${random(30)}${pick(['t', 'n', 'c', '$p', 'x', 'q'])}`,
        () => `\x1b]2;${words}\n${end}\x1b[2${random(4)}t`,
        () => `\x1b^${words}${end}\x1b_${words}${end}\x1bX${words}${end}`,
      ])();
      const cut = random(sequence.length + 1);
      await written(terminal, sequence.slice(0, cut));
      await written(terminal, sequence.slice(cut));
    }
    await written(terminal, '\x18');
    const heard = sent.join('');
    expect(heard).not.toMatch(/evil/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a line end would run what stands before it
    expect(heard).not.toMatch(/[\r\n\x03\x04]/);
  });

  it.each(['file:///etc/passwd', 'javascript:alert(1)', 'data:text/html,x', 'slipway://x'])(
    'that make a link to %s (OSC 8) make none that can be followed',
    async (uri) => {
      const { app: made, fixture } = app();
      const followed = vi.spyOn(made.act, 'openExternal');
      const session = new Session(made, processLine(made, data.processes(ready.id)[2] as Process), 13);
      await written(session.terminal, `\x1b]8;;${uri}\x07click\x1b]8;;\x07`);
      const { linkHandler } = session.terminal.options;
      expect(linkHandler?.allowNonHttpProtocols).toBe(false);
      linkHandler?.activate(new MouseEvent('click'), uri, { start: { x: 1, y: 1 }, end: { x: 5, y: 1 } });
      expect([made.view.dialog, followed.mock.calls, fixture.called('desktop.open-external')]).toEqual([null, [], []]);
      session.dispose();
    },
  );
});

function app(): { app: App; fixture: Fixture } {
  const fixture = new Fixture();
  fixture.add(ready);
  const made = new App(fixture, null);
  made.store.putWorkspace(ready);
  return { app: made, fixture };
}

describe('links', () => {
  it('are asked about with their whole address', () => {
    const { app: made, fixture } = app();
    followLink(made, ready.id, 'https://example.org/a?b');
    expect(made.view.dialog).toMatchObject({ kind: 'confirm', shown: 'https://example.org/a?b' });
    expect(fixture.called('desktop.open-external')).toEqual([]);
    if (made.view.dialog?.kind === 'confirm') made.view.dialog.run();
    expect(fixture.called('desktop.open-external')).toEqual([{ url: 'https://example.org/a?b' }]);
  });

  it.each(['file:///etc/passwd', 'javascript:alert(1)', 'vscode://x', 'not a link'])('%s is no link', (uri) => {
    const { app: made } = app();
    followLink(made, ready.id, uri);
    expect(made.view.dialog).toBeNull();
  });

  it('to the container’s own port open in the preview', () => {
    const { app: made, fixture } = app();
    followLink(made, ready.id, 'http://localhost:5173/cart');
    expect(fixture.called('desktop.preview-load')).toEqual([{ url: 'http://5173-shop-demo-k3f9.localhost:7080/cart' }]);
  });
});

describe('a paste', () => {
  it('of one line goes in; of several is asked about first', async () => {
    const { app: made } = app();
    const terminal = new Terminal({ allowProposedApi: true });
    terminal.open(document.body.appendChild(document.createElement('div')));
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    pasteInto(made, terminal, 'ls\n');
    expect(sent).toEqual(['ls\r']);
    pasteInto(made, terminal, 'rm -rf a\nrm -rf b');
    expect(made.view.dialog).toMatchObject({ kind: 'confirm', title: 'Paste 2 lines?' });
    expect(sent).toHaveLength(1);
  });

  it('is not asked about when the program brackets it', async () => {
    const { app: made } = app();
    const terminal = new Terminal({ allowProposedApi: true });
    terminal.open(document.body.appendChild(document.createElement('div')));
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    await written(terminal, '\x1b[?2004h');
    pasteInto(made, terminal, 'a\nb');
    expect(sent.join('')).toBe('\x1b[200~a\rb\x1b[201~');
  });
});

describe('the folder of a shell', () => {
  const shell = data.processes(ready.id)[2] as Process;
  const key = `${ready.id}/${shell.id}`;
  it('is remembered a moment after a line was sent, once for several', async () => {
    vi.useFakeTimers();
    const fixture = new Fixture();
    fixture.add(ready);
    fixture.answers.set('file.stat', () => ({ target: '/workspace/src' }));
    const put: string[] = [];
    const places = new Places(fixture, { putFolder: (_process, folder) => put.push(folder) });
    for (let line = 0; line < 5; line += 1) places.sent(key, shell);
    await vi.advanceTimersByTimeAsync(1000);
    expect(fixture.called('file.stat')).toEqual([{ id: ready.id, path: '/proc/60/cwd' }]);
    expect(put).toEqual(['/workspace/src']);
    fixture.answers.set('file.stat', () => {
      throw { code: 'not-found', message: 'There is no such process.' };
    });
    await places.look(key, shell);
    expect(put).toHaveLength(1);
    for (const odd of ['relative', '/gone (deleted)', `/${'x'.repeat(5000)}`]) {
      fixture.answers.set('file.stat', () => ({ target: odd }));
      await places.look(key, shell);
      expect(put).toHaveLength(1);
    }
    vi.useRealTimers();
  });
});
