// The text of cells that hold more than one code point: emoji put together, letters with marks, Indic scripts. xterm adds
// each code point to a string of the cell's own, so the engine keeps a chain of string objects for every such cell, some
// 600 bytes for one family of emoji, as long as its line is kept. Few texts occur often: here each is kept once, and all
// cells share it. xterm has no door for that, so this one method of its lines is wrapped; a unit test says when a later
// version no longer has it.
import type { Terminal } from '@xterm/xterm';

/** Texts kept; when there would be more, all are forgotten. */
export const MOST_TEXTS = 4096;
/** UTF-16 units of a text that is shared. A program may pile up marks without end: looking each such pile up costs time. */
export const LONGEST = 32;

/** Of xterm's own line (`common/buffer/BufferLine.ts`): the text of its cells by column. */
export type Cells = {
  _combined: { [column: number]: string };
  addCodepointToCell?: (this: Cells, column: number, codePoint: number, width: number) => void;
};

const texts = new Map<string, string>();
/** All lines of all terminals are of one class, and that is wrapped once. */
const wrapped = new WeakSet<object>();

function shared(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= MOST_TEXTS) texts.clear();
  texts.set(text, text);
  return text;
}

/** A line as xterm keeps it. */
export function cellsOf(terminal: Terminal): Cells | undefined {
  return (terminal.buffer.active.getLine(0) as unknown as { _line?: Cells } | undefined)?._line;
}

/** From now on the cells of all terminals share their texts. Before anything is written. */
export function shareClusters(terminal: Terminal): void {
  const kind: Cells | null = Object.getPrototypeOf(cellsOf(terminal) ?? {});
  const add = kind?.addCodepointToCell;
  if (kind === null || add === undefined || wrapped.has(kind)) return;
  wrapped.add(kind);
  kind.addCodepointToCell = function (column, codePoint, width) {
    add.call(this, column, codePoint, width);
    const text = this._combined[column];
    if (text !== undefined && text.length <= LONGEST) this._combined[column] = shared(text);
  };
}
