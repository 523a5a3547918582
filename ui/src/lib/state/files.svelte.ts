// The files of one workspace as a flat list of visible rows: directories are read when opened, and read again on
// request. Comes in: listings, which are the container's word and so only ever shown, never followed.
import { asProblem, type Backend } from '../backend';
import type { FileEntry, Problem, WorkspaceId } from '../wire';

export type Row =
  | { kind: 'entry'; path: string; entry: FileEntry; depth: number; open: boolean; loading: boolean }
  | { kind: 'note'; path: string; text: 'empty' | 'truncated' | 'failed'; depth: number; problem?: Problem };

type Directory = { entries: FileEntry[]; truncated: boolean; problem?: Problem };

export function join(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export class FileTree {
  id = $state<WorkspaceId | null>(null);
  root = $state('/');
  problem = $state.raw<Problem | null>(null);
  filter = $state('');
  #open = $state.raw<ReadonlySet<string>>(new Set());
  #read = $state.raw<ReadonlyMap<string, Directory>>(new Map());
  #loading = $state.raw<ReadonlySet<string>>(new Set());
  #backend: Backend;
  /** Every visible row, in order. */
  rows = $derived.by(() => this.#rows());

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Shows another workspace's files; the same one keeps what is open. */
  async show(id: WorkspaceId | null, root: string): Promise<void> {
    if (this.id === id && this.root === root) return;
    this.id = id;
    this.root = root;
    this.problem = null;
    this.filter = '';
    this.#open = new Set();
    this.#read = new Map();
    this.#loading = new Set();
    if (id !== null) await this.#list(root);
  }

  isOpen(path: string): boolean {
    return this.#open.has(path);
  }

  async toggle(path: string, open = !this.#open.has(path)): Promise<void> {
    const next = new Set(this.#open);
    if (open) next.add(path);
    else next.delete(path);
    this.#open = next;
    if (open && !this.#read.has(path)) await this.#list(path);
  }

  collapse(): void {
    this.#open = new Set();
  }

  /** Reads the root and every open directory again. */
  async refresh(): Promise<void> {
    if (this.id === null) return;
    const known = [this.root, ...[...this.#open].filter((path) => this.#read.has(path))];
    await Promise.all(known.map((path) => this.#list(path)));
  }

  async #list(path: string): Promise<void> {
    const id = this.id;
    if (id === null) return;
    this.#loading = new Set(this.#loading).add(path);
    let found: Directory;
    try {
      found = await this.#backend.call('file.list', { id, path });
    } catch (thrown) {
      found = { entries: [], truncated: false, problem: asProblem(thrown) };
    }
    if (this.id !== id) return;
    const loading = new Set(this.#loading);
    loading.delete(path);
    this.#loading = loading;
    this.#read = new Map(this.#read).set(path, found);
    if (path === this.root) this.problem = found.problem ?? null;
  }

  #rows(): Row[] {
    const rows: Row[] = [];
    const wanted = this.filter.trim().toLowerCase();
    const walk = (directory: string, depth: number): void => {
      const found = this.#read.get(directory);
      if (found === undefined) return;
      if (found.problem !== undefined && depth > 0) {
        rows.push({ kind: 'note', path: `${directory}//failed`, text: 'failed', depth, problem: found.problem });
      } else if (found.entries.length === 0 && depth > 0) {
        rows.push({ kind: 'note', path: `${directory}//empty`, text: 'empty', depth });
      }
      for (const entry of found.entries) {
        const path = join(directory, entry.name);
        const open = entry.kind === 'directory' && this.#open.has(path);
        const at = rows.length;
        rows.push({ kind: 'entry', path, entry, depth, open, loading: this.#loading.has(path) });
        if (open) walk(path, depth + 1);
        // With a filter a row stays when its name matches or something below it did.
        if (wanted !== '' && rows.length === at + 1 && !entry.name.toLowerCase().includes(wanted)) rows.length = at;
      }
      if (found.truncated) rows.push({ kind: 'note', path: `${directory}//more`, text: 'truncated', depth });
    };
    walk(this.root, 0);
    return rows;
  }
}
