// Small things remembered in local storage. Storage may be full, switched off or hold what an older version wrote;
// none of that may stop the window, so reading falls back and writing is allowed to fail.

const PREFIX = 'slipway.';

export function kept<T>(name: string, fallback: T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

/** Null forgets it. */
export function keep(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Remembering sizes is a comfort; without it the usual ones are shown next time.
  }
}
