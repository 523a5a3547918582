// What goes over the window's edge just now, as the desktop tells it: files dropped on the tree and saved out of it. Each
// belongs to the app, not to this window: another window's is seen here too, and a page that is loaded anew sees all.
import type { Carry } from '../backend';
import type { App } from './app.svelte';

export class Carries {
  #told = $state.raw<Carry[]>([]);
  #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Oldest first; a second window knows of its own workspace's only. */
  get all(): Carry[] {
    const { only } = this.#app;
    return only === null ? this.#told : this.#told.filter(({ id }) => id === only);
  }

  take({ carry, id, way, name, place, nth, of, done, total, cancelled }: Carry): void {
    const told = { carry, id, way, name, place, nth, of, done, total, cancelled };
    const known = this.#told.some((other) => other.carry === carry);
    this.#told = known
      ? this.#told.map((other) => (other.carry === carry ? told : other))
      : [...this.#told, told].sort((a, b) => a.carry - b.carry);
  }

  end(carry: number): void {
    this.#told = this.#told.filter((other) => other.carry !== carry);
  }

  /** Whoever asked for it is told what came of it. */
  cancel(carry: number): Promise<unknown> {
    return this.#app.act.attempt(this.#app.backend.desktop('desktop.carry-cancel', { carry }));
  }
}
