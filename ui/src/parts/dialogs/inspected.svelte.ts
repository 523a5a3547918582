// What is in something chosen, asked once nobody has typed for a moment; only the last question's answer counts.
import { asProblem, type Backend } from '../../lib/backend';
import type { Inspection, Problem, Source } from '../../lib/wire';

const TYPING_MS = 250;

export class Inspected {
  found = $state.raw<Inspection | null>(null);
  refused = $state.raw<Problem | null>(null);
  looking = $state(false);
  #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Looks into it; null: there is nothing to look into. The answer makes it not count any more. */
  look(source: Source | null): () => void {
    let over = false;
    this.found = null;
    this.refused = null;
    this.looking = source !== null;
    if (source === null) return () => {};
    const timer = setTimeout(async () => {
      try {
        const found = await this.#backend.call('intake.inspect', source);
        if (!over) this.found = found;
      } catch (thrown) {
        if (!over) this.refused = asProblem(thrown);
      }
      if (!over) this.looking = false;
    }, TYPING_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }
}
