// Rules of the house that a compiler does not keep.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const UI = join(import.meta.dirname, '../..');

function filesIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}
const sources = filesIn(join(UI, 'src')).filter((path) => !path.includes('lib/wire/'));
const named = sources.map((path) => ({ path: relative(UI, path), text: readFileSync(path, 'utf8') }));

describe('the house', () => {
  it('imports the desktop’s library in one file only', () => {
    expect(named.filter(({ text }) => text.includes('@tauri-apps/')).map(({ path }) => path)).toEqual([
      'src/lib/backend/tauri.ts',
    ]);
  });
  it('keeps literal colours in the tokens', () => {
    const colour = /#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(/i;
    const bad = named.filter(
      ({ path, text }) =>
        path !== 'src/tokens.css' && colour.test(text.replace(/\{#\w+|#\w+\.|['"]#\w+['"]|#\$\w+|location\.hash/g, '')),
    );
    expect(bad.map(({ path, text }) => `${path}: ${colour.exec(text)?.[0]}`)).toEqual([]);
  });
  it('never reaches for the tests', () => {
    expect(named.filter(({ text }) => /from '.*tests\//.test(text))).toEqual([]);
  });
  it('writes no HTML by hand', () => {
    expect(
      named.filter(({ text }) => /\{@html|innerHTML|insertAdjacentHTML/.test(text)).map(({ path }) => path),
    ).toEqual([]);
  });
  it('has files of a readable length', () => {
    const long = named.filter(({ path, text }) => text.split('\n').length > 300 && !/base\.css/.test(path));
    expect(long.map(({ path }) => path)).toEqual([]);
  });
  it('says at the top of each file what it is', () => {
    const silent = named.filter(
      ({ path, text }) => !/^(\/\/|\/\*|<!-- @component)/.test(text) && !path.endsWith('.d.ts'),
    );
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
  it('names no registry in the lock file', () => {
    expect(readFileSync(join(UI, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/);
  });
});
