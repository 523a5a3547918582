// How the terminals of each workspace stand in this window: order, names, halves, type size. The engine keeps it, so it
// is there after a restart or a crash of the app and the same in every window. Which tab is in front is each window's
// own once something was chosen in it; before that it is what was kept.
import { SvelteMap } from 'svelte/reactivity';
import type { Backend } from '../backend';
import { asProblem } from '../backend';
import { type Store, UNARRANGED } from '../state/store.svelte';
import type { Problem, Process, ProcessId, TerminalLayout, TerminalTab, WorkspaceId } from '../wire';

export type Half = 'first' | 'second';
type Own = { front?: ProcessId; beside?: ProcessId | null; half?: Half; share?: number };

/** Of the first half, percent. */
export const USUAL_SHARE = 50;

export class Arrangement {
  #backend: Backend;
  #store: Store;
  #complain: (problem: Problem) => void;
  /** Chosen in this window. */
  #own = new SvelteMap<WorkspaceId, Own>();
  /** What this window wants kept, until the engine has said that it is. */
  #wanted = new SvelteMap<WorkspaceId, TerminalLayout>();
  #sending = new Set<WorkspaceId>();

  constructor(backend: Backend, store: Store, complain: (problem: Problem) => void) {
    this.#backend = backend;
    this.#store = store;
    this.#complain = complain;
  }

  #layout(id: WorkspaceId): TerminalLayout {
    return this.#wanted.get(id) ?? this.#store.room(id)?.terminals ?? UNARRANGED;
  }

  /** As it was when this window came to the workspace. */
  #found(id: WorkspaceId): TerminalLayout {
    return this.#store.room(id)?.found ?? UNARRANGED;
  }

  #tab({ workspace, id }: Process): TerminalTab | undefined {
    return this.#layout(workspace).tabs.find(({ process }) => process === id);
  }

  front(id: WorkspaceId): ProcessId | undefined {
    return this.#there(id, this.#own.get(id)?.front ?? this.#found(id).front);
  }

  beside(id: WorkspaceId): ProcessId | undefined {
    const own = this.#own.get(id)?.beside;
    return this.#there(id, own === undefined ? this.#found(id).beside : own);
  }

  /** A process that is gone stands nowhere. */
  #there(id: WorkspaceId, process: ProcessId | null): ProcessId | undefined {
    return this.#store.room(id)?.processes.some((one) => one.id === process) ? (process ?? undefined) : undefined;
  }

  half(id: WorkspaceId): Half {
    return this.#own.get(id)?.half ?? (this.#found(id).second ? 'second' : 'first');
  }

  share(id: WorkspaceId): number {
    return this.#own.get(id)?.share ?? this.#found(id).share ?? USUAL_SHARE;
  }

  /** Chooses what stands where; `beside: null` is one half. */
  choose(id: WorkspaceId, change: Own): void {
    const now = {
      front: this.front(id),
      beside: this.beside(id) ?? null,
      half: this.half(id),
      share: Math.round(this.share(id)),
    };
    const rounded = change.share === undefined ? change : { ...change, share: Math.round(change.share) };
    if (Object.entries(rounded).every(([name, value]) => now[name as keyof Own] === value)) return;
    this.#own.set(id, { ...this.#own.get(id), ...rounded });
    this.#change(id, {
      front: this.front(id) ?? null,
      beside: this.beside(id) ?? null,
      second: this.half(id) === 'second',
      share: this.share(id),
    });
  }

  /** Pixels, where a person changed them here. */
  fontPx(id: WorkspaceId): number | undefined {
    return this.#layout(id).font_px ?? undefined;
  }

  setFont(id: WorkspaceId, px: number | null): void {
    this.#change(id, { font_px: px });
  }

  name(process: Process): string {
    return this.#tab(process)?.name ?? process.name;
  }

  rename(process: Process, name: string): void {
    this.#put(process, { name });
  }

  folder(process: Process): string | undefined {
    return this.#tab(process)?.folder ?? undefined;
  }

  putFolder(process: Process, folder: string): void {
    if (this.folder(process) !== folder) this.#put(process, { folder });
  }

  /** Processes in the order of their tabs: those that were moved, then the others as they came. */
  sorted(id: WorkspaceId, processes: Process[]): Process[] {
    const { tabs } = this.#layout(id);
    if (tabs.length === 0) return processes;
    const places = new Map(tabs.map(({ process }, at) => [process, at]));
    const place = (process: Process) => places.get(process.id) ?? tabs.length;
    return processes.toSorted((a, b) => place(a) - place(b));
  }

  /** Puts a tab to a place among those that are there. */
  move(id: WorkspaceId, process: ProcessId, to: number): void {
    const tabs = this.#tabs(id);
    const from = tabs.findIndex((tab) => tab.process === process);
    const at = Math.max(0, Math.min(tabs.length - 1, to));
    if (from < 0 || from === at) return;
    tabs.splice(at, 0, ...tabs.splice(from, 1));
    this.#change(id, { tabs });
  }

  /** One takes the tab of another: its place, its name, its folder. */
  replace(id: WorkspaceId, old: ProcessId, by: ProcessId): void {
    const tabs = this.#tabs(id)
      .filter(({ process }) => process !== by)
      .map((tab) => (tab.process === old ? { ...tab, process: by } : tab));
    this.#change(id, { tabs });
  }

  /** Everything that was wanted is kept. */
  get settled(): boolean {
    return this.#wanted.size === 0;
  }

  /** The workspace is gone. */
  forget(id: WorkspaceId): void {
    this.#own.delete(id);
    this.#wanted.delete(id);
  }

  /** A tab for each process that is there, in their order: nothing of what is gone stays. */
  #tabs(id: WorkspaceId): TerminalTab[] {
    const { tabs } = this.#layout(id);
    const bare = (process: ProcessId): TerminalTab => ({ process, name: null, folder: null });
    return this.sorted(id, this.#store.room(id)?.processes ?? []).map(
      (one) => tabs.find(({ process }) => process === one.id) ?? bare(one.id),
    );
  }

  #put({ workspace: id, id: process }: Process, change: Partial<TerminalTab>): void {
    this.#change(id, {
      tabs: this.#tabs(id).map((tab) => (tab.process === process ? { ...tab, ...change } : tab)),
    });
  }

  #change(id: WorkspaceId, change: Partial<TerminalLayout>): void {
    this.#wanted.set(id, { ...this.#layout(id), ...change });
    if (!this.#sending.has(id)) void this.#send(id);
  }

  /** One call at a time, the newest only. */
  async #send(id: WorkspaceId): Promise<void> {
    this.#sending.add(id);
    try {
      let layout = this.#wanted.get(id);
      while (layout !== undefined) {
        const kept = await this.#backend.call('terminal.arrange', { id, layout });
        const newer = this.#wanted.get(id);
        if (newer === layout) {
          const room = this.#store.room(id);
          if (room !== null) room.terminals = kept;
          this.#wanted.delete(id);
          return;
        }
        layout = newer;
      }
    } catch (thrown) {
      const problem = asProblem(thrown);
      this.#wanted.delete(id);
      // Of a workspace that was deleted meanwhile nothing has to be kept.
      if (problem.code !== 'not-found') this.#complain(problem);
    } finally {
      this.#sending.delete(id);
    }
  }
}
