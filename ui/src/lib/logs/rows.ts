// Lines of a log as the rows of a list: one each, or as many as it takes to show all of a long one.
import type { LogRecord } from '../wire';
import type { LogEntry } from './entries';
import { breaks } from './pieces';

export type LogRow =
  /** A part of a line; `first` carries its time, level and program. */
  | { kind: 'line'; record: LogRecord; from: number; to: number; first: boolean; last: boolean }
  | { kind: 'gap'; lines: number; seq: number };

/** `cells`: what fits into a row; null: rows are as long as they are. */
export function rowsOf(entries: LogEntry[], cells: number | null): LogRow[] {
  const rows: LogRow[] = [];
  for (const entry of entries) {
    if (entry.kind === 'gap') {
      rows.push(entry);
      continue;
    }
    const { record } = entry;
    const length = record.message.length;
    if (cells === null || length <= cells / 2) {
      rows.push({ kind: 'line', record, from: 0, to: length, first: true, last: true });
      continue;
    }
    let from = 0;
    for (const to of breaks(record.message, cells)) {
      rows.push({ kind: 'line', record, from, to, first: from === 0, last: to === length });
      from = to;
    }
  }
  return rows;
}

/** The row a line begins at; -1: it is not there. */
export function rowOf(rows: LogRow[], seq: number): number {
  return rows.findIndex((row) => row.kind === 'line' && row.first && row.record.seq === seq);
}
