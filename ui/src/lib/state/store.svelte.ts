// What the engine says, and nothing else: lists read once and changed by events. Comes in: replies and event batches.
// Not here: anything a person chose in this window (view.svelte.ts).
import { SvelteMap } from 'svelte/reactivity';
import type {
  EgressEntry,
  EngineStatus,
  Event,
  LiveSync,
  Message,
  Process,
  ProcessId,
  Settings,
  Snapshot,
  TerminalLayout,
  Workspace,
  WorkspaceId,
} from '../wire';

/** Rows kept for one workspace; the engine keeps its own bound. */
const MAX_MESSAGES = 2000;
const MAX_EGRESS = 1000;
/** Changes of a sync; the engine keeps 200. */
const MAX_CHANGES = 200;

export type MessageRow = { seq: number; at_ms: number; message: Message };

/** What tells a message from every other: each owner of the data folder counts its events anew. */
export function messageKey({ seq, at_ms }: MessageRow): string {
  return `${at_ms}/${seq}`;
}

function inOrder(a: MessageRow, b: MessageRow): number {
  return a.at_ms - b.at_ms || a.seq - b.seq;
}

/** Terminals nobody arranged. */
export const UNARRANGED: TerminalLayout = {
  tabs: [],
  front: null,
  beside: null,
  second: false,
  share: null,
  font_px: null,
};

/** What is known of the inside of one workspace. */
export class Room {
  messages = $state.raw<MessageRow[]>([]);
  processes = $state.raw<Process[]>([]);
  egress = $state.raw<EgressEntry[]>([]);
  /** How its terminals stand. */
  terminals = $state.raw<TerminalLayout>(UNARRANGED);
  /** The same as it was when the room was read first. */
  found = $state.raw<TerminalLayout>(UNARRANGED);
  /** The lists were read; before that only events are here. */
  loaded = $state(false);
}

function upsert<T>(list: T[], item: T, same: (a: T, b: T) => boolean): T[] {
  const at = list.findIndex((other) => same(other, item));
  return at < 0 ? [...list, item] : list.with(at, item);
}

export class Store {
  engine = $state.raw<EngineStatus | null>(null);
  settings = $state.raw<Settings | null>(null);
  /** Newest first; null until somebody wanted to see them. */
  snapshots = $state.raw<Snapshot[] | null>(null);
  /** Those under way. */
  syncs = $state.raw<LiveSync[]>([]);
  /** Newest first, as `workspace.list` gives them. */
  workspaces = $state.raw<Workspace[]>([]);
  /** The lists were read at least once. */
  loaded = $state(false);
  #rooms = new SvelteMap<WorkspaceId, Room>();

  workspace(id: WorkspaceId | null): Workspace | null {
    return this.workspaces.find((other) => other.id === id) ?? null;
  }

  room(id: WorkspaceId): Room | null {
    return this.#rooms.get(id) ?? null;
  }

  /** The room of a workspace, made if it is not there. Never call it while deriving. */
  openRoom(id: WorkspaceId): Room {
    let room = this.#rooms.get(id);
    if (room === undefined) {
      room = new Room();
      this.#rooms.set(id, room);
    }
    return room;
  }

  rooms(): WorkspaceId[] {
    return [...this.#rooms.keys()];
  }

  putWorkspace(workspace: Workspace): void {
    if (workspace.state === 'deleted') return this.dropWorkspace(workspace.id);
    const at = this.workspaces.findIndex((other) => other.id === workspace.id);
    this.workspaces = at < 0 ? [workspace, ...this.workspaces] : this.workspaces.with(at, workspace);
  }

  dropWorkspace(id: WorkspaceId): void {
    this.workspaces = this.workspaces.filter((other) => other.id !== id);
    this.#rooms.delete(id);
    this.syncs = this.syncs.filter(({ workspace }) => workspace !== id);
  }

  putMessages(id: WorkspaceId, rows: MessageRow[]): void {
    const room = this.openRoom(id);
    const last = room.messages.at(-1);
    const fresh = last === undefined || rows.every((row) => inOrder(last, row) < 0);
    const merged = fresh ? [...room.messages, ...rows] : [...room.messages, ...rows].sort(inOrder);
    room.messages = merged
      .filter((row, at) => at === 0 || messageKey(row) !== messageKey(merged[at - 1] as MessageRow))
      .slice(-MAX_MESSAGES);
  }

  putSnapshot(snapshot: Snapshot): void {
    if (this.snapshots === null) return;
    const at = this.snapshots.findIndex(({ id }) => id === snapshot.id);
    this.snapshots = at < 0 ? [snapshot, ...this.snapshots] : this.snapshots.with(at, snapshot);
  }

  /** An event carries only the changes that are new. */
  putSync(sync: LiveSync): void {
    const before = this.syncs.find(({ id }) => id === sync.id);
    if (sync.state === 'stopped') {
      this.syncs = this.syncs.filter(({ id }) => id !== sync.id);
      return;
    }
    const last = before?.recent.at(-1)?.seq ?? -1;
    const fresh = sync.recent.filter(({ seq }) => seq > last);
    const recent = [...(before?.recent ?? []), ...fresh].slice(-MAX_CHANGES);
    this.syncs = upsert(this.syncs, { ...sync, recent }, (a, b) => a.id === b.id);
  }

  putProcess(process: Process): void {
    const room = this.openRoom(process.workspace);
    room.processes = upsert(room.processes, process, (a, b) => a.id === b.id);
  }

  dropProcess(id: WorkspaceId, process: ProcessId): void {
    const room = this.openRoom(id);
    room.processes = room.processes.filter((other) => other.id !== process);
  }

  putEgress(id: WorkspaceId, entry: EgressEntry): void {
    const room = this.openRoom(id);
    room.egress = upsert(room.egress, entry, (a, b) => a.id === b.id).slice(-MAX_EGRESS);
  }

  /** Applies a batch in order. Returns true when a gap says the lists must be read again. */
  apply(batch: Event[]): boolean {
    let gap = false;
    const rows = new Map<WorkspaceId, MessageRow[]>();
    for (const { seq, at_ms, workspace, body } of batch) {
      switch (body.kind) {
        case 'gap':
          gap = true;
          break;
        case 'engine':
          this.engine = body.value;
          break;
        case 'settings':
          this.settings = body.value;
          break;
        case 'workspace':
          this.putWorkspace(body.value);
          break;
        case 'removed':
          if (workspace !== null) this.dropWorkspace(workspace);
          break;
        case 'message':
          if (workspace !== null) {
            const list = rows.get(workspace) ?? [];
            list.push({ seq, at_ms, message: body.value });
            rows.set(workspace, list);
          }
          break;
        case 'egress':
          if (workspace !== null) this.putEgress(workspace, body.value);
          break;
        case 'process':
          this.putProcess(body.value);
          break;
        case 'terminals':
          if (workspace !== null) this.openRoom(workspace).terminals = body.value;
          break;
        case 'sync':
          this.putSync(body.value);
          break;
        case 'snapshot':
          this.putSnapshot(body.value);
          break;
        case 'snapshot-removed':
          this.snapshots = this.snapshots?.filter(({ id }) => id !== body.value) ?? null;
          break;
      }
    }
    for (const [id, list] of rows) this.putMessages(id, list);
    return gap;
  }
}
