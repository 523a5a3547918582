// What jsdom lacks and the interface needs: nothing here imitates the product.
class Observer implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
globalThis.ResizeObserver ??= Observer;
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
