// Which files something else changed since a person last looked at them: theirs and the folders above them are marked.
import { parentOf } from './paths';

/** Marks kept; the oldest give way. */
const MOST = 500;
/** So long after a change of our own, what is told of the path is not news. */
const OWN_MS = 5000;

export class Marks {
  #changed = $state.raw<ReadonlySet<string>>(new Set());
  #own = new Map<string, number>();
  /** Folders that hold one, at any depth. */
  #above = $derived.by(() => {
    const above = new Set<string>();
    for (const path of this.#changed) {
      let folder = parentOf(path);
      while (folder !== '/' && !above.has(folder)) {
        above.add(folder);
        folder = parentOf(folder);
      }
    }
    return above;
  });

  /** Oldest first. */
  get all(): string[] {
    return [...this.#changed];
  }

  of(path: string): 'self' | 'below' | null {
    if (this.#changed.has(path)) return 'self';
    return this.#above.has(path) ? 'below' : null;
  }

  /** We are about to change it ourselves. */
  own(path: string, now = Date.now()): void {
    for (const [other, until] of this.#own) if (until < now) this.#own.delete(other);
    this.#own.set(path, now + OWN_MS);
  }

  /** Something changed these, gone ones included. */
  told(changed: string[], gone: string[], now = Date.now()): void {
    const news = changed.filter((path) => (this.#own.get(path) ?? 0) < now);
    if (news.length === 0 && gone.length === 0) return;
    const next = new Set(this.#changed);
    for (const path of gone)
      for (const other of next) if (other === path || other.startsWith(`${path}/`)) next.delete(other);
    for (const path of news) {
      // The newest last.
      next.delete(path);
      next.add(path);
    }
    this.#changed = new Set([...next].slice(-MOST));
  }

  /** A person looked. */
  seen(path: string): void {
    if (!this.#changed.has(path)) return;
    const next = new Set(this.#changed);
    next.delete(path);
    this.#changed = next;
  }

  clear(): void {
    this.#changed = new Set();
  }
}
