// Which lines of a log are wanted: by level, program, time and text. Made into the engine's question, which filters,
// and into a pattern of this page, which only marks.
import type { LogLevel, LogQuery, WorkspaceId } from '../wire';

export const SPANS = { all: null, minutes5: 300_000, minutes15: 900_000, hour: 3_600_000, day: 86_400_000 } as const;
export type Span = keyof typeof SPANS | 'custom';

export type LogFilter = {
  level: LogLevel | null;
  /** A program's name. */
  process: string | null;
  span: Span;
  /** With `custom`, Unix milliseconds; null is open. */
  since_ms: number | null;
  until_ms: number | null;
  text: string;
  /** Lines without the text are left out; otherwise it is only marked. */
  only: boolean;
  regex: boolean;
  matchCase: boolean;
};

export const EVERYTHING: LogFilter = {
  level: null,
  process: null,
  span: 'all',
  since_ms: null,
  until_ms: null,
  text: '',
  only: false,
  regex: false,
  matchCase: false,
};

/** These mean something to both engines of regular expressions, ours here and the engine's. */
const SYNTAX = /[\\.*+?()[\]{}|^$]/g;

/** The text as a regular expression for the engine; null: none is wanted. */
export function grepOf({ text, regex, matchCase }: LogFilter): string | null {
  if (text === '') return null;
  return `${matchCase ? '' : '(?i)'}${regex ? text : text.replace(SYNTAX, '\\$&')}`;
}

/** The same for marking; null also where only the engine understands it. */
export function patternOf({ text, regex, matchCase }: LogFilter): RegExp | null {
  if (text === '') return null;
  try {
    return new RegExp(regex ? text : text.replace(SYNTAX, '\\$&'), `g${matchCase ? '' : 'i'}u`);
  } catch {
    // The engine's answer says whether it is one; here nothing is marked.
    return null;
  }
}

/** The lines that are shown. */
export function queryOf(id: WorkspaceId, filter: LogFilter, now: number): LogQuery {
  const query: LogQuery = { id };
  if (filter.level !== null) query.level = filter.level;
  if (filter.process !== null) query.process = filter.process;
  if (filter.span === 'custom') {
    if (filter.since_ms !== null) query.since_ms = filter.since_ms;
    if (filter.until_ms !== null) query.until_ms = filter.until_ms;
  } else {
    const span = SPANS[filter.span];
    if (span !== null) query.since_ms = now - span;
  }
  const grep = grepOf(filter);
  if (filter.only && grep !== null) query.grep = grep;
  return query;
}

/** Something is left out. */
export function narrowed({ level, process, span, only, text }: LogFilter): boolean {
  return level !== null || process !== null || span !== 'all' || (only && text !== '');
}
