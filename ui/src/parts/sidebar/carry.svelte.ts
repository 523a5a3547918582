// Dragging a row to another folder by the pointer: what is carried, and where it would land. The browser's own dragging
// is not used: where files come in from outside, it is switched off.
import { isIn, join, nameOf, parentOf } from '../../lib/files/paths';
import type { Row } from '../../lib/state/files.svelte';

/** Less is a click, CSS pixels. */
const FAR = 5;
/** A closed folder opens when one stays over it so long. */
const STAY_MS = 700;

export class Carrying {
  /** What is dragged; null before it went far enough. */
  path = $state<string | null>(null);
  /** The folder it would land in. */
  into = $state<string | null>(null);
  x = $state(0);
  y = $state(0);
  #open: (folder: string) => void;
  #drop: (from: string, to: string) => void;
  #end: () => void = () => {};

  constructor(open: (folder: string) => void, drop: (from: string, to: string) => void) {
    this.#open = open;
    this.#drop = drop;
  }

  press(event: PointerEvent, row: Row): void {
    if (event.button !== 0 || row.kind !== 'entry') return;
    this.#end();
    const [from, x, y] = [row.path, event.clientX, event.clientY];
    let stay: ReturnType<typeof setTimeout> | undefined;
    const move = (now: PointerEvent) => {
      if (this.path === null && Math.hypot(now.clientX - x, now.clientY - y) < FAR) return;
      this.path = from;
      [this.x, this.y] = [now.clientX, now.clientY];
      const into = this.#folderAt(now.clientX, now.clientY, from);
      if (into === this.into) return;
      this.into = into;
      clearTimeout(stay);
      if (into !== null) stay = setTimeout(() => this.#open(into), STAY_MS);
    };
    const up = () => {
      const { path, into } = this;
      this.#end();
      if (path === null) return;
      // The click that may follow is the end of the drag, and opens nothing.
      const swallow = (click: MouseEvent) => click.stopPropagation();
      window.addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => window.removeEventListener('click', swallow, { capture: true }));
      if (into !== null) this.#drop(path, join(into, nameOf(path)));
    };
    const key = (pressed: KeyboardEvent) => {
      if (pressed.key !== 'Escape' || this.path === null) return;
      pressed.stopPropagation();
      this.#end();
    };
    const cancel = () => this.#end();
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', cancel);
    window.addEventListener('keydown', key, { capture: true });
    this.#end = () => {
      clearTimeout(stay);
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', cancel);
      window.removeEventListener('keydown', key, { capture: true });
      [this.path, this.into] = [null, null];
      this.#end = () => {};
    };
  }

  end(): void {
    this.#end();
  }

  /** A folder it can go to: not where it is, nor into itself. */
  #folderAt(x: number, y: number, from: string): string | null {
    const under = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-directory]');
    const into = under?.dataset.directory ?? null;
    return into === null || into === parentOf(from) || isIn(into, from) ? null : into;
  }
}
