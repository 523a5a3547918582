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
// jsdom's own complains on every call; xterm measures by the page when there is none.
HTMLCanvasElement.prototype.getContext = () => null;
Object.defineProperty(document, 'fonts', { value: { load: async () => [], addEventListener: () => {} } });
