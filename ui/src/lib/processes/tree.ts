// The processes of a container as rows: as a tree with what each started below it, or flat; sorted. Comes in: a list
// from a container, so a parent may be missing and may be its own ancestor.
import type { ContainerProcess } from '../wire';

export type SortKey = 'command' | 'cpu' | 'memory' | 'ports' | 'age';
export type Sort = { key: SortKey; descending: boolean };

export type ProcessRow = {
  process: ContainerProcess;
  /** How far in; 0 in a flat list. */
  depth: number;
  /** Directly below it. */
  children: number;
  open: boolean;
  /** Its place among its siblings, from 1, and their number. */
  place: number;
  siblings: number;
};

/** Names a process for good: its number alone is given to another once it ended. */
export const keyOf = ({ pid, born }: ContainerProcess) => `${pid}.${born}`;

type Compare = (a: ContainerProcess, b: ContainerProcess) => number;
const COMPARE: Record<SortKey, Compare> = {
  command: (a, b) => a.command.localeCompare(b.command),
  cpu: (a, b) => a.cpu_percent - b.cpu_percent,
  memory: (a, b) => a.memory_bytes - b.memory_bytes,
  ports: (a, b) => (a.ports[0] ?? 0) - (b.ports[0] ?? 0),
  age: (a, b) => a.age_ms - b.age_ms,
};

function order({ key, descending }: Sort): Compare {
  const compare = COMPARE[key];
  return (a, b) => (descending ? compare(b, a) : compare(a, b)) || a.pid - b.pid;
}

/** Those directly below each; what has no parent here is below 0. */
function below(processes: ContainerProcess[]): Map<number, ContainerProcess[]> {
  const known = new Set(processes.map(({ pid }) => pid));
  const children = new Map<number, ContainerProcess[]>();
  for (const process of processes) {
    const parent = known.has(process.parent) && process.parent !== process.pid ? process.parent : 0;
    children.set(parent, [...(children.get(parent) ?? []), process]);
  }
  return children;
}

export function rowsOf(
  processes: ContainerProcess[],
  { tree, sort, closed }: { tree: boolean; sort: Sort; closed: ReadonlySet<string> },
): ProcessRow[] {
  const compare = order(sort);
  if (!tree) {
    const sorted = processes.toSorted(compare);
    return sorted.map((process, at) => ({
      process,
      depth: 0,
      children: 0,
      open: false,
      place: at + 1,
      siblings: sorted.length,
    }));
  }
  const children = below(processes);
  const rows: ProcessRow[] = [];
  const seen = new Set<number>();
  const put = (parent: number, depth: number) => {
    const siblings = (children.get(parent) ?? []).toSorted(compare);
    for (const [at, process] of siblings.entries()) {
      if (seen.has(process.pid)) continue;
      seen.add(process.pid);
      const count = children.get(process.pid)?.length ?? 0;
      const open = count > 0 && !closed.has(keyOf(process));
      rows.push({ process, depth, children: count, open, place: at + 1, siblings: siblings.length });
      if (open) put(process.pid, depth + 1);
    }
  };
  put(0, 0);
  // A ring of parents hangs from nothing; it is shown all the same. What is closed is not part of one.
  if (closed.size === 0)
    for (const process of processes)
      if (!seen.has(process.pid)) {
        seen.add(process.pid);
        rows.push({ process, depth: 0, children: 0, open: false, place: 1, siblings: 1 });
      }
  return rows;
}

/** How many descend from it. */
export function descendants(processes: ContainerProcess[], pid: number): number {
  const children = below(processes);
  const seen = new Set([pid]);
  const queue = [pid];
  for (let at = 0; at < queue.length; at += 1) {
    for (const child of children.get(queue[at] ?? 0) ?? []) {
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      queue.push(child.pid);
    }
  }
  return seen.size - 1;
}
