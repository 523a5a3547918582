// What jsdom lacks and the interface needs: nothing here imitates the product.
import { configure } from '@testing-library/svelte';
import { vi } from 'vitest';

// Parts that are loaded when they are first shown take a while on two busy cores.
configure({ asyncUtilTimeout: 8000 });

class Observer implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver ??= Observer;
class Sight extends Observer {
  readonly root = null;
  readonly rootMargin = '';
  readonly scrollMargin = '';
  readonly thresholds = [];
  takeRecords = () => [];
}
globalThis.IntersectionObserver ??= Sight as unknown as typeof IntersectionObserver;
globalThis.Path2D ??= class {
  moveTo(): void {}
  lineTo(): void {}
  closePath(): void {}
  rect(): void {}
  arc(): void {}
  addPath(): void {}
} as unknown as typeof Path2D;
globalThis.matchMedia ??= (query: string) =>
  Object.assign(new EventTarget(), {
    matches: false,
    media: query,
    onchange: null,
    addListener(): void {},
    removeListener(): void {},
  }) as MediaQueryList;
globalThis.CSS ??= {} as typeof CSS;
CSS.escape ??= (text: string) => text.replace(/[^\w-]/g, (letter) => `\\${letter}`);
Element.prototype.scrollIntoView ??= () => {};
Element.prototype.scrollTo ??= () => {};
// jsdom paints nothing; whoever paints finds a canvas that takes everything and shows nothing.
const nothing: object = new Proxy({}, { get: () => () => ({ width: 8 }), set: () => true });
HTMLCanvasElement.prototype.getContext = (() => nothing) as unknown as typeof HTMLCanvasElement.prototype.getContext;
Object.defineProperty(document, 'fonts', { value: { load: async () => [], addEventListener: () => {} } });

// Its table is unpacked by loops that do not end on the arrays of jsdom's realm. Widths are looked at in real engines.
vi.mock('@xterm/addon-unicode-graphemes', () => ({
  UnicodeGraphemesAddon: class {
    activate(): void {}
    dispose(): void {}
  },
}));
