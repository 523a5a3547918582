// Whether a part of the window can be seen: one dragged to nothing, or left out by the layout, cannot. Called while a
// component is made.

export class Sight {
  #seen = $state(true);

  constructor(element: () => HTMLElement | undefined) {
    $effect(() => {
      const watched = element();
      if (!watched) return;
      const observer = new IntersectionObserver((seen) => {
        this.#seen = seen.at(-1)?.isIntersecting ?? true;
      });
      observer.observe(watched);
      return () => observer.disconnect();
    });
  }

  get seen(): boolean {
    return this.#seen;
  }
}
