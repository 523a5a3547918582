// A line of a log as runs of text: its program's colours, what was searched for, and where it is broken to fit. Comes
// in: foreign text. Goes out: text and class names; nothing here makes HTML, and no colour comes from the line itself.

export type Run = { text: string; style: string; hit: boolean };
type Span = { from: number; to: number };
type Styled = Span & { style: string };

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is read here
const SGR = /\x1b\[([0-9;:]*)m/g;
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
/** Matches marked in one line; more would only cost time. */
const MOST_HITS = 200;

/** One of the theme's sixteen colours that is near: others could not be read on every background. */
function near(red: number, green: number, blue: number): string {
  const most = Math.max(red, green, blue);
  const bit = (value: number, at: number) => (value > most * 0.6 && most > 60 ? at : 0);
  const index = bit(red, 1) | bit(green, 2) | bit(blue, 4);
  return `${most > 200 ? 'bright-' : ''}${NAMES[index]}`;
}

function indexed(index: number): string {
  if (index < 8) return NAMES[index] ?? '';
  if (index < 16) return `bright-${NAMES[index - 8]}`;
  if (index >= 232) return near((index - 232) * 10 + 8, (index - 232) * 10 + 8, (index - 232) * 10 + 8);
  const cube = index - 16;
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  return near(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

type Look = { colour: string; bold: boolean; dim: boolean; italic: boolean; under: boolean };
const PLAIN: Look = { colour: '', bold: false, dim: false, italic: false, under: false };

function applied(look: Look, codes: number[]): Look {
  let now = look;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) now = PLAIN;
    else if (code === 1) now = { ...now, bold: true };
    else if (code === 2) now = { ...now, dim: true };
    else if (code === 3) now = { ...now, italic: true };
    else if (code === 4) now = { ...now, under: true };
    else if (code === 22) now = { ...now, bold: false, dim: false };
    else if (code === 23) now = { ...now, italic: false };
    else if (code === 24) now = { ...now, under: false };
    else if (code >= 30 && code <= 37) now = { ...now, colour: NAMES[code - 30] ?? '' };
    else if (code >= 90 && code <= 97) now = { ...now, colour: `bright-${NAMES[code - 90]}` };
    else if (code === 39) now = { ...now, colour: '' };
    else if (code === 38 || code === 48 || code === 58) {
      const [kind, a = 0, b = 0, c = 0] = codes.slice(at + 1, at + 5);
      if (code === 38) now = { ...now, colour: kind === 5 ? indexed(a) : kind === 2 ? near(a, b, c) : now.colour };
      at += kind === 5 ? 2 : kind === 2 ? 4 : 0;
    }
  }
  return now;
}

function nameOf({ colour, bold, dim, italic, under }: Look): string {
  const names = [colour && `c-${colour}`, bold && 'bold', dim && 'dim', italic && 'italic', under && 'under'];
  return names.filter(Boolean).join(' ');
}

/** The text without its colours, and where which colour is. */
export function readColours(source: string): { text: string; styles: Styled[] } {
  const styles: Styled[] = [];
  let [text, look, at] = ['', PLAIN, 0];
  const take = (until: number) => {
    const style = nameOf(look);
    const piece = source.slice(at, until);
    if (style !== '' && piece !== '') styles.push({ from: text.length, to: text.length + piece.length, style });
    text += piece;
  };
  for (const match of source.matchAll(SGR)) {
    take(match.index);
    at = match.index + match[0].length;
    look = applied(look, (match[1] || '0').split(/[;:]/).map(Number));
  }
  take(source.length);
  return { text, styles };
}

/** Where the pattern is found. */
export function hitsIn(text: string, pattern: RegExp | null): Span[] {
  const hits: Span[] = [];
  if (pattern === null) return hits;
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== '') hits.push({ from: match.index, to: match.index + match[0].length });
    if (hits.length === MOST_HITS) break;
  }
  return hits;
}

/** A part of the text as runs that each have one look. */
export function runs(text: string, styles: Styled[], hits: Span[], from = 0, to = text.length): Run[] {
  const edges = new Set([from, to]);
  for (const span of [...styles, ...hits])
    for (const edge of [span.from, span.to]) if (edge > from && edge < to) edges.add(edge);
  const sorted = [...edges].sort((a, b) => a - b);
  const within = (span: Span, at: number) => span.from <= at && at < span.to;
  return sorted.slice(0, -1).map((begin, at) => ({
    text: text.slice(begin, sorted[at + 1]),
    style: styles.find((span) => within(span, begin))?.style ?? '',
    hit: hits.some((span) => within(span, begin)),
  }));
}

const NARROW = /^[\x20-\x7e]*$/;
const WIDE = /\p{Extended_Pictographic}|[ᄀ-ᅟ⺀-꓏가-힣豈-﫿︰-﹏＀-｠￠-￦]|[\u{20000}-\u{3fffd}]/u;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Where lines of so many cells end; never within a character. */
export function breaks(text: string, cells: number): number[] {
  const ends: number[] = [];
  if (NARROW.test(text)) {
    for (let at = cells; at < text.length; at += cells) ends.push(at);
    return [...ends, text.length];
  }
  let used = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    const width = segment === '\t' ? 8 : WIDE.test(segment) ? 2 : 1;
    if (used + width > cells && used > 0) {
      ends.push(index);
      used = 0;
    }
    used += width;
  }
  return [...ends, text.length];
}
