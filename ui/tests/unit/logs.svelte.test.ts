// A log in parts: the window that moves over it, what fits, colours without HTML, where lines break, typed moments.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EVERYTHING, grepOf, patternOf, queryOf } from '../../src/lib/logs/filter';
import { momentOf, typedOf } from '../../src/lib/logs/moment';
import { breaks, hitsIn, readColours, runs } from '../../src/lib/logs/pieces';
import { rowOf, rowsOf } from '../../src/lib/logs/rows';
import { LogView, MOST_LINES } from '../../src/lib/state/logs.svelte';
import type { LogQuery, LogRecord } from '../../src/lib/wire';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';
import { LogBook } from '../fixture/logbook';

let fixture: Fixture;
let book: LogBook;
let view: LogView;
let leave: () => void;
const lines = (count: number): Partial<LogRecord>[] =>
  Array.from({ length: count }, (_, at) => ({ message: `line ${at}` }));
const told = () => view.entries.map((entry) => (entry.kind === 'line' ? entry.record.message : `gap ${entry.lines}`));
const asked = () => fixture.called('workspace.logs') as LogQuery[];
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

async function open(count: number): Promise<void> {
  book = new LogBook();
  book.add(...lines(count));
  fixture.logs.set(ready.id, book);
  view = new LogView(fixture, ready.id);
  leave = view.watch();
  await settle();
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  fixture = new Fixture();
  fixture.add(ready);
});
afterEach(() => {
  leave?.();
  vi.useRealTimers();
});

describe('a log that is followed', () => {
  it('begins with its newest lines and goes on by number, each line once', async () => {
    await open(2500);
    expect([told().length, told().at(0), told().at(-1)]).toEqual([1000, 'line 1500', 'line 2499']);
    for (let at = 0; at < 50; at += 1) {
      book.print(`more ${at}`);
      await settle();
    }
    expect(told().slice(1000)).toEqual(Array.from({ length: 50 }, (_, at) => `more ${at}`));
    expect(asked().at(-1)).toMatchObject({ after: 2550, wait_ms: 5000 });
  });

  it('that is empty is waited for, not asked for again and again', async () => {
    await open(0);
    const before = asked().length;
    await settle(20_000);
    expect(asked().length - before).toBeLessThanOrEqual(5);
    book.print('at last');
    await settle();
    expect(told()).toEqual(['at last']);
  });

  it('holds a bounded number of lines, whatever comes', async () => {
    await open(10);
    for (let at = 0; at < 20; at += 1) {
      book.add(...lines(900));
      await settle();
    }
    expect(view.entries.length).toBe(MOST_LINES);
    expect(told().at(-1)).toBe('line 899');
  });

  it('that floods is shown at its end, seldom, and can be read where it was passed over', async () => {
    await open(10);
    for (let at = 0; at < 40; at += 1) {
      book.add(...lines(25_000));
      await settle(10);
    }
    await settle(1000);
    expect(book.last).toBe(1_000_010);
    expect(asked().length).toBeLessThan(30);
    expect(told().at(-1)).toBe('line 24999');
    const first = view.firstSeq ?? 0;
    await view.older();
    expect(view.firstSeq).toBe(first - 1000);
  });

  it('goes back to its first line and forth to its last, a window at a time, missing none', async () => {
    await open(12_000);
    const seen = new Set<number>();
    const look = () => {
      for (const entry of view.entries) if (entry.kind === 'line') seen.add(entry.record.seq);
    };
    for (look(); !view.atStart; look()) await view.older();
    expect([seen.size, view.firstSeq, view.entries.length, view.following]).toEqual([12_000, 1, MOST_LINES, false]);
    seen.clear();
    for (look(); !view.atEnd; look()) await view.later();
    expect(seen.size).toBe(12_000);
    expect(told().at(-1)).toBe('line 11999');
    await view.reachEnd();
    book.print('new');
    await settle(PAUSE);
    expect(told().at(-1)).toBe('new');
  });

  it('that stands still says how much came meanwhile and moves nothing', async () => {
    await open(10);
    view.hold();
    await settle(6000);
    book.add(...lines(7));
    await settle(PAUSE);
    expect([told().length, view.newer, view.atEnd]).toEqual([10, 7, false]);
    view.newest();
    await settle();
    expect([told().length, view.newer, view.following]).toEqual([17, 0, true]);
  });

  it('marks what the cap has dropped, at its beginning and in the middle', async () => {
    await open(3000);
    book.drop(501);
    while (!view.atStart) await view.older();
    expect(told().slice(0, 2)).toEqual(['gap 500', 'line 500']);
    view.hold();
    await settle(6000);
    book.add(...lines(3000));
    book.drop(4001);
    await settle(PAUSE);
    await view.later();
    expect(told()).toContain('gap 1000');
  });

  it('of a program that ended is read to its end, and asks no more until its workspace changes', async () => {
    fixture.put(ready.id, { state: 'stopped' });
    await open(5);
    const before = asked().length;
    await settle(60_000);
    expect([asked().length, view.live, told().length]).toEqual([before, false, 5]);
    leave();
    fixture.put(ready.id, { state: 'running' });
    leave = view.watch();
    book.print('again');
    await settle();
    expect(told().at(-1)).toBe('again');
  });

  it('that cannot be read says why and goes on when it can', async () => {
    await open(5);
    fixture.answers.set('workspace.logs', () => {
      throw { code: 'storage', message: 'The workspace’s log cannot be read.' };
    });
    await settle(6000);
    expect(view.problem?.message).toContain('cannot be read');
    fixture.answers.delete('workspace.logs');
    book.print('back');
    await settle(3000);
    expect([view.problem, told().at(-1)]).toEqual([null, 'back']);
  });

  it('is not asked for while the window cannot be seen', async () => {
    await open(5);
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    await settle(6000);
    const before = asked().length;
    await settle(50_000);
    expect(asked().length).toBe(before);
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible');
    document.dispatchEvent(new Event('visibilitychange'));
    book.print('seen');
    await settle();
    expect(told().at(-1)).toBe('seen');
  });
});
const PAUSE = 2000;

describe('what is left out of a log', () => {
  it('is left out by the engine: level, program, time and text together', async () => {
    await open(100);
    book.add({ message: 'Slow query', level: 'warn', process: 'db' }, { message: 'slow start', level: 'warn' });
    view.set({ level: 'warn', process: 'db', span: 'hour', text: 'slow', only: true });
    await settle();
    expect(told()).toEqual(['Slow query']);
    expect(asked().at(-1)).toMatchObject({ level: 'warn', process: 'db', since_ms: Date.now() - 3_600_000 });
    expect(asked().some(({ grep, tail }) => grep === '(?i)slow' && tail === 1000)).toBe(true);
  });

  it('searches the whole log, not only what is loaded, and goes from match to match', async () => {
    await open(9000);
    view.set({ text: 'line 77' });
    await settle();
    // 77, 770 to 779 and 7700 to 7799.
    expect([view.search.hits.length, view.search.at]).toEqual([111, -1]);
    for (let at = 0; at < 101; at += 1) await view.step(-1);
    expect(await view.step(-1)).toBe(779);
    expect(told()).toContain('line 778');
    expect(view.following).toBe(false);
    expect(await view.step(1)).toBe(780);
  });

  it('finds in new lines too, and nothing of an old question', async () => {
    await open(10);
    view.set({ text: 'needle' });
    view.set({ text: 'line 1' });
    await settle();
    expect(view.search.hits).toEqual([2]);
    book.print('line 10 of another kind');
    await settle();
    expect(view.search.hits).toEqual([2, 11]);
  });

  it('says what is wrong with a pattern and shows the lines all the same', async () => {
    await open(10);
    view.set({ text: '(', regex: true });
    await settle();
    expect(view.search.problem?.message).toContain('no regular expression');
    expect(told()).toHaveLength(10);
    view.set({ text: '' });
    await settle();
    expect(view.search.problem).toBeNull();
  });

  it('takes what is typed for itself unless it is said to be an expression', () => {
    const typed = { ...EVERYTHING, text: 'a.b[0]/$1' };
    expect(grepOf(typed)).toBe('(?i)a\\.b\\[0\\]/\\$1');
    expect(hitsIn('x A.B[0]/$1 x', patternOf(typed))).toEqual([{ from: 2, to: 11 }]);
    expect(grepOf({ ...typed, regex: true, matchCase: true })).toBe('a.b[0]/$1');
    expect(patternOf({ ...typed, text: '(', regex: true })).toBeNull();
    expect(queryOf('w', EVERYTHING, 5)).toEqual({ id: 'w' });
    expect(queryOf('w', { ...EVERYTHING, span: 'custom', since_ms: 1, until_ms: null }, 5)).toEqual({
      id: 'w',
      since_ms: 1,
    });
  });
});

describe('a line', () => {
  it('has the colours of its program, as the theme has them, and its text whole', () => {
    const source = '\x1b[1;31merror\x1b[0m in \x1b[38;5;46mgreen\x1b[39m and \x1b[38;2;90;90;255mblue';
    const { text, styles } = readColours(source);
    expect(text).toBe('error in green and blue');
    expect(styles.map(({ from, to, style }) => `${text.slice(from, to)}: ${style}`)).toEqual([
      'error: c-red bold',
      'green: c-bright-green',
      'blue: c-bright-blue',
    ]);
  });

  it('marks what was found, across its colours', () => {
    const { text, styles } = readColours('a \x1b[32mgreen\x1b[0m line');
    const cut = runs(text, styles, hitsIn(text, /een li/g));
    expect(cut.map(({ text: part, hit }) => (hit ? `[${part}]` : part)).join('')).toBe('a gr[een][ li]ne');
    expect(cut.map(({ text: part }) => part).join('')).toBe(text);
  });

  it.each(['', 'plain', 'x'.repeat(16_384), 'グラス'.repeat(90), '👩‍👩‍👧‍👦 family '.repeat(30), 'e\u0301'.repeat(100)])(
    'is broken into rows that hold all of it, none within a character (%#)',
    (text) => {
      const ends = breaks(text, 40);
      expect(ends.at(-1)).toBe(text.length);
      const parts = ends.map((end, at) => text.slice(at === 0 ? 0 : ends[at - 1], end));
      expect(parts.join('')).toBe(text);
      const whole = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
      const count = (part: string) => [...whole.segment(part)].length;
      expect(parts.reduce((sum, part) => sum + count(part), 0)).toBe(count(text));
    },
  );

  it('becomes as many rows as it needs, and is found again among them', () => {
    const record = { seq: 3, message: 'x'.repeat(95), level: 'info' } as LogRecord;
    const entries = [
      { kind: 'gap', lines: 4, seq: 2 } as const,
      { kind: 'line', record } as const,
      { kind: 'line', record: { ...record, seq: 4, message: 'short' } } as const,
    ];
    const rows = rowsOf(entries, 40);
    expect(rows).toHaveLength(5);
    expect([rowOf(rows, 3), rowOf(rows, 4), rowOf(rows, 9)]).toEqual([1, 4, -1]);
    expect(rowsOf(entries, null)).toHaveLength(3);
  });
});

describe('Enter right after the last letter', () => {
  it('goes to what is found, though the answer was still on its way', async () => {
    await open(3000);
    view.set({ text: 'line 700' });
    const step = view.step(1);
    await settle();
    expect(await step).toBe(701);
    expect(view.search.at).toBe(0);
  });
});

describe('a moment', () => {
  const now = new Date(2026, 8, 18, 12, 30, 0).getTime();
  it.each([
    ['12:01', new Date(2026, 8, 18, 12, 1)],
    ['12:01:30', new Date(2026, 8, 18, 12, 1, 30)],
    ['23:00', new Date(2026, 8, 17, 23, 0)],
    ['2026-09-01', new Date(2026, 8, 1)],
    ['2026-09-01 08:15', new Date(2026, 8, 1, 8, 15)],
  ])('typed as %s is understood', (text, at) => expect(momentOf(text, now)).toBe(at.getTime()));
  it.each(['25:00', '12', 'noon', '2026-02-31', '12:60'])('%s is none', (text) =>
    expect(momentOf(text, now)).toBeUndefined(),
  );
  it('is typed back as it would be understood', () => {
    for (const at of [now - 60_000, now - 86_400_000 * 3, now + 60_000])
      expect(momentOf(typedOf(at, now), now)).toBe(at);
    expect([momentOf('  ', now), typedOf(null, now)]).toEqual([null, '']);
  });
});
