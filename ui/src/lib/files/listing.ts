// What is known of one directory, and what a change makes of it. Pure; names are the container's and only shown.
import type { DirectoryEntry, DirectoryListing, Problem } from '../wire';

export type Directory = Omit<DirectoryListing, 'folded'> & {
  /** Directories in it whose inside is not watched. */
  folded: ReadonlySet<string>;
  problem?: Problem;
};

export function read(listing: DirectoryListing): Directory {
  return { ...listing, folded: new Set(listing.folded) };
}

export function unread(problem: Problem): Directory {
  return { entries: [], truncated: false, folded: new Set(), problem };
}

const last = (entry: DirectoryEntry) => (entry.kind === 'directory' ? 0 : 1);

/** Directories first, then by name, as listings come. */
function order(a: DirectoryEntry, b: DirectoryEntry): number {
  return last(a) - last(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** What is there after these changes, by name: an entry, or nothing any more. */
export function after(directory: Directory, changes: ReadonlyMap<string, DirectoryEntry | undefined>): Directory {
  const fresh = new Map(changes);
  let moved = false;
  const entries: DirectoryEntry[] = [];
  for (const entry of directory.entries) {
    if (!fresh.has(entry.name)) entries.push(entry);
    else {
      const now = fresh.get(entry.name);
      fresh.delete(entry.name);
      if (now === undefined) continue;
      entries.push(now);
      moved ||= last(now) !== last(entry);
    }
  }
  const added = [...fresh.values()].filter((entry) => entry !== undefined);
  entries.push(...added);
  if (moved || added.length > 0) entries.sort(order);
  return { ...directory, entries };
}
