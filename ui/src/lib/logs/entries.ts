// What a log's window holds: lines, and marks where lines are no longer kept.
import type { LogPage, LogQuery, LogRecord } from '../wire';

export type LogEntry = { kind: 'line'; record: LogRecord } | { kind: 'gap'; lines: number; seq: number };

export const seqOf = (entry: LogEntry | undefined) => (entry?.kind === 'line' ? entry.record.seq : entry?.seq);

/** A page as entries: its lines, and before them those that are gone. */
export function entriesOf({ records, gap }: LogPage): LogEntry[] {
  const entries: LogEntry[] = records.map((record) => ({ kind: 'line', record }));
  if (gap) entries.unshift({ kind: 'gap', lines: gap.to - gap.from, seq: gap.to });
  return entries;
}

/** Where the log begins with a page because its first lines were dropped: nothing came before `before`. */
export function beginning(page: LogPage, before: number, query: LogQuery, first: LogEntry | undefined): LogEntry[] {
  const { grep, level, process, since_ms, until_ms } = query;
  const whole = [grep, level, process, since_ms, until_ms].every((part) => part === undefined);
  if (page.records.length > 0 || first?.kind === 'gap' || !whole || before <= 1) return [];
  return [{ kind: 'gap', lines: before - 1, seq: before }];
}
