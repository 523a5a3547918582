import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes';
import { Terminal } from '@xterm/xterm';
import { expect, it } from 'vitest';
import { cellsOf, LONGEST, MOST_TEXTS, shareClusters } from '../../src/lib/terminal/clusters';

const CLUSTERS = '👩‍👩‍👧 e\u0301 नि 🇫🇷 👍🏽';
const PILE = `e${'\u0301'.repeat(3 * LONGEST)}`;
/** Each another text of two code points, more than are kept. */
const MANY = Array.from({ length: MOST_TEXTS + 8 }, (_, at) => `${String.fromCharCode(0x4e00 + at)}\u0301`);

function fresh(): Terminal {
  const terminal = new Terminal({ allowProposedApi: true, cols: 40, rows: 4, scrollback: 500 });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return terminal;
}

/** What stands in each cell after something was printed. */
async function cells(terminal: Terminal, text: string): Promise<string[]> {
  await new Promise<void>((done) => terminal.write(text, done));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, at) => active.getLine(at));
  return lines.flatMap((line) => Array.from({ length: 40 }, (_, at) => line?.getCell(at)?.getChars() ?? ''));
}

it('a cell of several code points holds the same text when all cells share it', async () => {
  const all = [CLUSTERS, PILE, MANY.join(''), CLUSTERS, PILE].join('\r\n');
  const alone = await cells(fresh(), all);
  const terminal = fresh();
  const before = cellsOf(terminal)?.addCodepointToCell;
  shareClusters(terminal);
  expect(await cells(terminal, all)).toEqual(alone);
  for (const one of ['e\u0301', PILE, MANY[0], MANY.at(-1)]) expect(alone).toContain(one);
  // The version of xterm here has the method that is wrapped, and it is wrapped once for all terminals.
  const after = cellsOf(terminal)?.addCodepointToCell;
  expect(before).toBeTypeOf('function');
  expect(after).not.toBe(before);
  shareClusters(fresh());
  expect(cellsOf(fresh())?.addCodepointToCell).toBe(after);
});
