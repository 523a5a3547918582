// Every pair of text and surface the interface uses, measured as WCAG 2.2 does, in both themes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const css = readFileSync(join(import.meta.dirname, '../../src/tokens.css'), 'utf8');

function tokens(selector: string, from = 0): Record<string, string> {
  const block = css.slice(css.indexOf(selector, from));
  const body = block.slice(block.indexOf('{') + 1, block.indexOf('}'));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]+)/gi)].map(([, name, value]) => [name, value]));
}

type Colour = [number, number, number, number];
function read(hex: string): Colour {
  const full = hex.length <= 5 ? [...hex.slice(1)].map((digit) => digit + digit).join('') : hex.slice(1);
  const part = (at: number) => Number.parseInt(full.slice(at, at + 2) || 'ff', 16);
  return [part(0), part(2), part(4), part(6) / 255];
}
const over = ([r, g, b, a]: Colour, [R, G, B]: Colour): Colour => [
  r * a + R * (1 - a),
  g * a + G * (1 - a),
  b * a + B * (1 - a),
  1,
];
function light([r, g, b]: Colour): number {
  const [R = 0, G = 0, B = 0] = [r, g, b].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
}
function ratio(a: Colour, b: Colour): number {
  const [high = 0, low = 0] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const TEXTS = ['text', 'text-2', 'text-3'];
const SURFACES = ['bg', 'panel', 'raised', 'term'];
const MARKS = ['ok', 'busy', 'bad', 'accent'];

describe.each([
  ['dark', '[data-theme="dark"]'],
  ['light', '[data-theme="light"]'],
])('the %s theme', (_name, selector) => {
  const all = tokens(selector);
  const colour = (name: string) => read(all[name] ?? `missing ${name}`);

  it.each(SURFACES.flatMap((surface) => [...TEXTS, ...MARKS].map((text) => [text, surface] as const)))(
    'reads %s on %s',
    (text, surface) => {
      expect(ratio(colour(text), colour(surface))).toBeGreaterThanOrEqual(4.5);
    },
  );
  it.each([
    ['text', 'accent-soft', 'panel'],
    ['text-2', 'accent-soft', 'panel'],
    ['text-3', 'accent-soft', 'panel'],
    ['text-2', 'accent-soft', 'raised'],
    ['text', 'bad-soft', 'panel'],
    ['bad', 'bad-soft', 'panel'],
    ['text', 'busy-soft', 'bg'],
  ])('reads %s on %s over %s', (text, soft, surface) => {
    expect(ratio(colour(text), over(colour(soft), colour(surface)))).toBeGreaterThanOrEqual(4.5);
  });
  it.each([
    ['accent-text', 'accent'],
    ['bad-text', 'bad'],
    ['busy-text', 'busy'],
    ['text-2', 'hover'],
    ['ok', 'hover'],
    ['busy', 'hover'],
  ])('reads %s on %s', (text, surface) => expect(ratio(colour(text), colour(surface))).toBeGreaterThanOrEqual(4.5));
  it.each([
    ['control', 'bg'],
    ['control', 'raised'],
    ['accent', 'panel'],
  ])('shows the edge %s on %s', (edge, surface) =>
    expect(ratio(colour(edge), colour(surface))).toBeGreaterThanOrEqual(3),
  );
  it.each(['chart-1', 'chart-2', 'chart-3', 'chart-4', 'bad'])('shows the line %s of a chart', (line) =>
    expect(ratio(colour(line), colour('panel'))).toBeGreaterThanOrEqual(3),
  );
  it('has text of 7 to 1 and edges of 4.5 to 1 where the system asks for more contrast', () => {
    const more = { ...all, ...tokens(selector, css.indexOf('prefers-contrast: more')) };
    const strong = (name: string) => read(more[name] ?? `missing ${name}`);
    for (const surface of SURFACES) {
      for (const text of TEXTS)
        expect(ratio(strong(text), strong(surface)), `${text} on ${surface}`).toBeGreaterThanOrEqual(7);
      expect(ratio(strong('control'), strong(surface)), surface).toBeGreaterThanOrEqual(4.5);
    }
  });
  it.each(Object.keys(all).filter((name) => name.startsWith('ansi-') && name !== 'ansi-black'))(
    'reads %s in the terminal',
    (name) => {
      expect(ratio(colour(name), colour('term'))).toBeGreaterThanOrEqual(4.5);
    },
  );
});
