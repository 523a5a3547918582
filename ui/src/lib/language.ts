// The language the machine claims to have. Only mended here; which words people read is `messages`.

/**
 * On a machine without a language (`LANG=C`, common in containers and over SSH) WebKit says that it is `C`, which is none:
 * every library that formats numbers by it throws.
 */
export function ensureLanguage(navigator: Navigator): void {
  try {
    Intl.getCanonicalLocales([navigator.language, ...navigator.languages]);
  } catch {
    const plain = { language: 'en', languages: ['en'] };
    for (const [name, value] of Object.entries(plain)) {
      Object.defineProperty(navigator, name, { value, configurable: true });
    }
  }
}
