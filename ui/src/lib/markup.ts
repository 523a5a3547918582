// The two marks a message may carry, `**bold**` and `` `code` ``, read into pieces a component renders as text.
// Nothing here makes HTML, so nothing in a message can.

export type Piece = { kind: 'text' | 'bold' | 'code'; text: string };

const MARK = /\*\*([^*]+)\*\*|`([^`]+)`/g;

export function pieces(source: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of source.matchAll(MARK)) {
    if (match.index > at) found.push({ kind: 'text', text: source.slice(at, match.index) });
    if (match[1] !== undefined) found.push({ kind: 'bold', text: match[1] });
    else if (match[2] !== undefined) found.push({ kind: 'code', text: match[2] });
    at = match.index + match[0].length;
  }
  if (at < source.length) found.push({ kind: 'text', text: source.slice(at) });
  return found;
}

/** The same sentence without its marks. */
export function plain(source: string): string {
  return source.replace(MARK, (_all, bold?: string, code?: string) => bold ?? code ?? '');
}
