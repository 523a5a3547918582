// The files of one workspace as a flat list of visible rows: directories are read when opened, then kept true by what the
// container tells of changes. Comes in: listings and changes, which are the container's word and so only ever shown.
import { asProblem, type Backend } from '../backend';
import { after, type Directory, read, unread } from '../files/listing';
import { Marks } from '../files/marks.svelte';
import { isIn, join, nameOf, parentOf } from '../files/paths';
import type { DirectoryEntry, FileChange, Problem, WorkspaceId } from '../wire';

export { join, nameOf, parentOf } from '../files/paths';

export type Row =
  | {
      kind: 'entry';
      path: string;
      entry: DirectoryEntry;
      depth: number;
      open: boolean;
      loading: boolean;
      /** Changes inside are not seen by themselves. */
      unwatched: boolean;
    }
  | { kind: 'note'; path: string; text: 'empty' | 'truncated' | 'failed'; depth: number; problem?: Problem };

export class FileTree {
  id = $state<WorkspaceId | null>(null);
  root = $state('/');
  problem = $state.raw<Problem | null>(null);
  filter = $state('');
  /** A path to bring in sight, once it is a row. */
  wanted = $state<string | null>(null);
  readonly marks = new Marks();
  #open = $state.raw<ReadonlySet<string>>(new Set());
  #read = $state.raw<ReadonlyMap<string, Directory>>(new Map());
  #loading = $state.raw<ReadonlySet<string>>(new Set());
  /** Directories a limit of the machine keeps from being watched. */
  #unwatched = $state.raw<ReadonlySet<string>>(new Set());
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
    this.wanted = null;
    this.#open = new Set();
    this.#read = new Map();
    this.#loading = new Set();
    this.#unwatched = new Set();
    this.marks.clear();
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
    if (open && (!this.#read.has(path) || this.#unseen(path))) await this.#list(path);
  }

  collapse(): void {
    this.#open = new Set();
  }

  /** Opens what leads to a path, and brings it in sight. */
  async reveal(path: string): Promise<void> {
    const above: string[] = [];
    for (let folder = parentOf(path); folder !== this.root && isIn(folder, this.root); folder = parentOf(folder)) {
      above.unshift(folder);
    }
    for (const folder of above) if (!this.#open.has(folder)) await this.toggle(folder, true);
    this.filter = '';
    this.wanted = path;
  }

  /** Reads the root and every open directory again. */
  async refresh(): Promise<void> {
    if (this.id === null) return;
    const known = [this.root, ...[...this.#open].filter((path) => this.#read.has(path))];
    // What is closed is read when it is opened.
    this.#read = new Map([...this.#read].filter(([path]) => known.includes(path)));
    await Promise.all(known.map((path) => this.#list(path)));
  }

  /** Takes what the container tells. `news` marks it for the person. */
  async take(changes: FileChange[], news: boolean): Promise<void> {
    const [by, again] = [new Map<string, Map<string, DirectoryEntry | undefined>>(), new Set<string>()];
    const [changed, gone]: [string[], string[]] = [[], []];
    for (const { path, entry } of changes) {
      const parent = parentOf(path);
      const known = this.#read.get(parent);
      if (entry === undefined) gone.push(path);
      else if (entry.kind !== 'directory') changed.push(path);
      // A folded directory's change says that something in it is another.
      else if (this.#unseen(path) && this.#open.has(path)) again.add(path);
      if (known === undefined || path === this.root) continue;
      // Whether a new directory is watched inside, its listing says.
      if (entry?.kind === 'directory' && !known.entries.some(({ name }) => name === entry.name)) again.add(parent);
      const names = by.get(parent) ?? new Map();
      by.set(parent, names.set(nameOf(path), entry));
    }
    if (news || gone.length > 0) this.marks.told(news ? changed : [], gone);
    if (by.size > 0) {
      const next = new Map(this.#read);
      for (const [path, names] of by) {
        const known = next.get(path);
        if (known !== undefined) next.set(path, after(known, names));
      }
      for (const path of gone)
        for (const other of [...next.keys()]) if (other !== this.root && isIn(other, path)) next.delete(other);
      this.#read = next;
    }
    await Promise.all([...again].map((path) => this.#list(path)));
  }

  /** These are not watched. */
  takeUnwatched(paths: string[]): void {
    if (paths.length !== this.#unwatched.size || paths.some((path) => !this.#unwatched.has(path))) {
      this.#unwatched = new Set(paths);
    }
  }

  #unseen(path: string): boolean {
    if (this.#unwatched.has(path)) return true;
    for (let at = path; at !== this.root && isIn(at, this.root) && at !== '/'; at = parentOf(at)) {
      if (this.#read.get(parentOf(at))?.folded.has(nameOf(at)) || this.#unwatched.has(at)) return true;
    }
    return false;
  }

  async #list(path: string): Promise<void> {
    const id = this.id;
    if (id === null) return;
    this.#loading = new Set(this.#loading).add(path);
    let found: Directory;
    try {
      found = read(await this.#backend.call('file.list', { id, path }));
    } catch (thrown) {
      found = unread(asProblem(thrown));
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
    // Once, not once for each of ten thousand rows: each time it is asked who depends on it.
    const [opened, known, loading, unseen] = [this.#open, this.#read, this.#loading, this.#unwatched];
    const walk = (directory: string, depth: number, inside: boolean): void => {
      const found = known.get(directory);
      if (found === undefined) return;
      if (found.problem !== undefined && depth > 0) {
        rows.push({ kind: 'note', path: `${directory}//failed`, text: 'failed', depth, problem: found.problem });
      } else if (found.entries.length === 0 && depth > 0) {
        rows.push({ kind: 'note', path: `${directory}//empty`, text: 'empty', depth });
      }
      for (const entry of found.entries) {
        const path = join(directory, entry.name);
        const open = entry.kind === 'directory' && opened.has(path);
        const unwatched = inside || found.folded.has(entry.name) || unseen.has(path);
        const at = rows.length;
        rows.push({ kind: 'entry', path, entry, depth, open, loading: loading.has(path), unwatched });
        if (open) walk(path, depth + 1, unwatched);
        // With a filter a row stays when its name matches or something below it did.
        if (wanted !== '' && rows.length === at + 1 && !entry.name.toLowerCase().includes(wanted)) rows.length = at;
      }
      if (found.truncated) rows.push({ kind: 'note', path: `${directory}//more`, text: 'truncated', depth });
    };
    walk(this.root, 0, unseen.has(this.root));
    return rows;
  }
}
