import { describe, expect, it } from 'vitest';
import { bytes, countdown, elapsed } from '../../src/lib/format';
import { matches, shown } from '../../src/lib/keys';
import { pieces, plain } from '../../src/lib/markup';
import { match } from '../../src/parts/dialogs/palette';

describe('figures', () => {
  it.each([
    [18, '18 ms'],
    [940, '0.94 s'],
    [6230, '6.2 s'],
    [64_900, '1 min 04 s'],
  ])('%d ms took %s', (ms, text) => expect(elapsed(ms)).toBe(text));
  it.each([
    [3_432_900, '57 min'],
    [180_000, '3 min'],
    [179_999, '02:59'],
    [-5, '00:00'],
    [3_849_000, '1 h 04 min'],
    [273_600_000, '3 d 4 h'],
  ])('%d ms are left as %s', (ms, text) => expect(countdown(ms)).toBe(text));
  it.each([
    [0, '0 B'],
    [84_000_000, '84 MB'],
    [3_141_000, '3.1 MB'],
    [999_700, '1.0 MB'],
  ])('%d bytes are %s', (size, text) => expect(bytes(size)).toBe(text));
});

describe('markup', () => {
  it('knows bold and code and nothing else', () => {
    expect(pieces('a **b** `c` <img src=x onerror=alert(1)> _d_')).toEqual([
      { kind: 'text', text: 'a ' },
      { kind: 'bold', text: 'b' },
      { kind: 'text', text: ' ' },
      { kind: 'code', text: 'c' },
      { kind: 'text', text: ' <img src=x onerror=alert(1)> _d_' },
    ]);
  });
  it('leaves marks without a partner as they are', () => expect(plain('2 ** 3 and `x')).toBe('2 ** 3 and `x'));
});

describe('shortcuts', () => {
  const press = (key: string, mods: Partial<KeyboardEventInit> = {}) => new KeyboardEvent('keydown', { key, ...mods });
  it('use Ctrl here and Cmd on macOS', () => {
    expect(matches(press('k', { ctrlKey: true }), 'Mod+K', false)).toBe(true);
    expect(matches(press('k', { metaKey: true }), 'Mod+K', true)).toBe(true);
    expect(matches(press('k', { ctrlKey: true }), 'Mod+K', true)).toBe(false);
  });
  it('count shift for letters but not for signs', () => {
    expect(matches(press('K', { ctrlKey: true, shiftKey: true }), 'Mod+K', false)).toBe(false);
    expect(matches(press('?', { shiftKey: true }), '?', false)).toBe(true);
    expect(matches(press('+', { ctrlKey: true, shiftKey: true }), 'Mod+=', false)).toBe(true);
  });
  it('are shown as each system does', () => {
    expect(shown('Mod+Shift+R', false)).toBe('Ctrl Shift R');
    expect(shown('Mod+Shift+R', true)).toBe('⇧⌘R');
  });
});

describe('the palette', () => {
  it('wants every word and marks where it was found', () => {
    expect(match('Restart the app', 'app rest')?.parts).toEqual([
      { text: 'Rest', hit: true },
      { text: 'art the ', hit: false },
      { text: 'app', hit: true },
    ]);
    expect(match('Restart the app', 'stop')).toBeNull();
  });
  it('takes what was typed as text, not as a pattern', () => expect(match('Rename…', '.*')).toBeNull());
  it('ranks beginnings above middles', () => {
    expect(match('Reload', 're')?.rank).toBeLessThan(match('Screenshot', 're')?.rank ?? 0);
  });
});
