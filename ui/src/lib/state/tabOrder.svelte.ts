// The order of tabs as a person put it, remembered per workspace. Tabs nobody moved stand after those, as they came.
import type { Process, ProcessId, WorkspaceId } from '../wire';
import { keep, kept } from './keep';

export class TabOrder {
  #order = $state<Record<WorkspaceId, ProcessId[] | undefined>>(kept('tab-order', {}));

  sorted(id: WorkspaceId, processes: Process[]): Process[] {
    const order = this.#order[id];
    if (order === undefined) return processes;
    const place = (process: Process) => {
      const at = order.indexOf(process.id);
      return at < 0 ? order.length : at;
    };
    return processes.toSorted((a, b) => place(a) - place(b));
  }

  /** Puts a tab to a place among those that are there. */
  move(id: WorkspaceId, processes: Process[], process: ProcessId, to: number): void {
    const now = this.sorted(id, processes).map((one) => one.id);
    const from = now.indexOf(process);
    const at = Math.max(0, Math.min(now.length - 1, to));
    if (from < 0 || from === at) return;
    now.splice(at, 0, ...now.splice(from, 1));
    this.#put(id, now);
  }

  /** One takes the place of another. */
  replace(id: WorkspaceId, old: ProcessId, by: ProcessId): void {
    const now = this.#order[id];
    if (now !== undefined)
      this.#put(
        id,
        now.filter((one) => one !== by).map((one) => (one === old ? by : one)),
      );
  }

  forget(id: WorkspaceId): void {
    if (this.#order[id] === undefined) return;
    delete this.#order[id];
    keep('tab-order', this.#order);
  }

  #put(id: WorkspaceId, order: ProcessId[]): void {
    this.#order[id] = order;
    keep('tab-order', this.#order);
  }
}
