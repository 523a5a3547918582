import { describe, expect, test } from 'vitest';
import { ensureLanguage } from '../../src/lib/language';

function claiming(...languages: string[]): Navigator {
  return Object.create({
    get language() {
      return languages[0];
    },
    get languages() {
      return languages;
    },
  }) as Navigator;
}

describe('the language of the machine', () => {
  test('is one that numbers can be formatted by, also where it claims none', () => {
    for (const claimed of [claiming('C'), claiming('POSIX_'), claiming('en-GB', 'C')]) {
      ensureLanguage(claimed);
      expect(new Intl.NumberFormat(claimed.language).format(1.5)).toBe('1.5');
      expect(claimed.languages).toEqual(['en']);
    }
  });

  test('is left alone where it is one', () => {
    const claimed = claiming('de-CH', 'fr');
    ensureLanguage(claimed);
    expect(claimed.language).toBe('de-CH');
    expect(claimed.languages).toEqual(['de-CH', 'fr']);
  });
});
