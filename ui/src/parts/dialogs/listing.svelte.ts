// The engine's listing, a page at a time: what was asked for last counts, and the next page follows when it is reached.
import { asProblem, type Backend } from '../../lib/backend';
import type { Problem, WorkspaceQuery, WorkspaceRow } from '../../lib/wire';

export type Wanted = Omit<WorkspaceQuery, 'limit' | 'cursor'>;
const PAGE = 100;
const TYPING_MS = 150;

export class Listing {
  rows = $state.raw<WorkspaceRow[]>([]);
  total = $state(0);
  loading = $state(true);
  problem = $state.raw<Problem | null>(null);
  #backend: Backend;
  #wanted: Wanted | null = null;
  #next: string | null = null;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Begins at the first page; the answer makes it not count any more. */
  ask(wanted: Wanted): () => void {
    this.#wanted = wanted;
    // The next page of another question, which counts no more even when this one fails.
    this.#next = null;
    this.loading = true;
    const timer = setTimeout(() => void this.#read(wanted, null), TYPING_MS);
    return () => {
      clearTimeout(timer);
      if (this.#wanted === wanted) this.#wanted = null;
    };
  }

  more(): void {
    if (this.loading || this.#next === null || this.#wanted === null) return;
    this.loading = true;
    void this.#read(this.#wanted, this.#next);
  }

  async #read(wanted: Wanted, cursor: string | null): Promise<void> {
    try {
      const query = { ...wanted, limit: PAGE, ...(cursor === null ? {} : { cursor }) };
      const page = await this.#backend.call('workspace.query', query);
      if (this.#wanted !== wanted) return;
      this.rows = cursor === null ? page.rows : [...this.rows, ...page.rows];
      this.total = page.total;
      this.#next = page.next;
      this.problem = null;
    } catch (thrown) {
      if (this.#wanted !== wanted) return;
      this.problem = asProblem(thrown);
    }
    this.loading = false;
  }
}
