// Keeps the store true: subscribes first, then reads the lists, then applies what came meanwhile; after a gap or a lost
// stream it reads again. Events that arrive during a read are held back so that no older list overwrites them.
import type { Backend, Close } from '../backend';
import { asProblem } from '../backend';
import type { Event, Problem, WorkspaceId } from '../wire';
import type { MessageRow, Store } from './store.svelte';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

function rowsOf(events: Event[]): MessageRow[] {
  const rows: MessageRow[] = [];
  for (const { seq, at_ms, body } of events) {
    if (body.kind === 'message') rows.push({ seq, at_ms, message: body.value });
  }
  return rows;
}

export class Feed {
  link = $state<'connecting' | 'live' | 'lost'>('connecting');
  problem = $state.raw<Problem | null>(null);
  #backend: Backend;
  #store: Store;
  #heard: (events: Event[]) => void;
  #seq: number | null = null;
  #held: Event[] | null = null;
  #close: Close | null = null;
  /** Which stream counts: what an earlier one says or ends as changes nothing. */
  #stream = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;
  #ended = false;
  #reading: Promise<void> = Promise.resolve();

  /** `heard` gets every event of the stream, also what it catches up with; never what is read. */
  constructor(backend: Backend, store: Store, heard: (events: Event[]) => void = () => {}) {
    this.#backend = backend;
    this.#store = store;
    this.#heard = heard;
  }

  /** Connects; resolves when the lists are in, or when the first try failed (others follow by themselves). */
  async start(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    this.#stream += 1;
    const stream = this.#stream;
    const current = () => stream === this.#stream;
    try {
      this.#held ??= [];
      const close = await this.#backend.events(this.#seq, {
        events: (batch) => current() && this.#take(batch),
        lost: (problem) => current() && this.#lose(problem),
      });
      if (!current()) return close();
      this.#close = close;
      await this.#readAll();
      if (!current()) return;
      this.link = 'live';
      this.problem = null;
      this.#wait = FIRST_WAIT_MS;
    } catch (thrown) {
      if (current()) this.#lose(asProblem(thrown));
    }
  }

  stop(): void {
    this.#ended = true;
    this.#stream += 1;
    clearTimeout(this.#timer);
    this.#close?.();
    this.#close = null;
  }

  /** Reads the lists of one workspace's room, once, or again with `force`. */
  async openRoom(id: WorkspaceId, force = false): Promise<void> {
    if (this.#store.openRoom(id).loaded && !force) return;
    await this.#hold(() => this.#readRoom(id));
  }

  /** Reads the snapshots; from then on events keep them true. */
  readSnapshots(): Promise<void> {
    return this.#hold(async () => {
      this.#store.snapshots = await this.#backend.call('snapshot.list', {});
    });
  }

  #take(batch: Event[]): void {
    const last = batch.at(-1);
    if (last !== undefined) this.#seq = last.seq;
    this.#heard(batch);
    if (this.#held !== null) {
      this.#held.push(...batch);
      return;
    }
    if (this.#store.apply(batch)) this.#again();
  }

  #again(): void {
    this.#readAll().catch((thrown: unknown) => this.#lose(asProblem(thrown)));
  }

  #lose(problem: Problem): void {
    this.#stream += 1;
    this.#close?.();
    this.#close = null;
    if (this.#ended) return;
    this.link = this.#store.loaded ? 'lost' : 'connecting';
    this.problem = problem;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.start(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  /** Runs reads one after another with events held back, then applies those. */
  #hold(read: () => Promise<void>): Promise<void> {
    const turn = this.#reading.then(async () => {
      this.#held ??= [];
      try {
        await read();
      } finally {
        const held = this.#held ?? [];
        this.#held = null;
        // A gap among them concerns the time before this read, so the read has mended it.
        this.#store.apply(held);
      }
    });
    this.#reading = turn.catch(() => {});
    return turn;
  }

  #readAll(): Promise<void> {
    return this.#hold(async () => {
      const [workspaces, engine, settings, syncs] = await Promise.all([
        this.#backend.call('workspace.list', {}),
        this.#backend.call('engine.status', {}),
        this.#backend.call('settings.get', {}),
        this.#backend.call('sync.list', {}),
      ]);
      this.#store.workspaces = workspaces.filter(({ state }) => state !== 'deleted');
      this.#store.engine = engine;
      this.#store.settings = settings;
      this.#store.syncs = syncs;
      this.#store.loaded = true;
      if (this.#store.snapshots !== null) this.#store.snapshots = await this.#backend.call('snapshot.list', {});
      const alive = new Set(workspaces.map(({ id }) => id));
      for (const id of this.#store.rooms()) {
        if (!alive.has(id)) this.#store.dropWorkspace(id);
        else if (this.#store.room(id)?.loaded) await this.#readRoom(id);
      }
    });
  }

  async #readRoom(id: WorkspaceId): Promise<void> {
    const [messages, processes, egress, terminals] = await Promise.all([
      this.#backend.call('workspace.messages', { id }),
      this.#backend.call('process.list', { id }),
      this.#backend.call('network.list', { id }),
      this.#backend.call('terminal.layout', { id }),
    ]);
    const room = this.#store.openRoom(id);
    this.#store.putMessages(id, rowsOf(messages));
    room.processes = processes;
    room.egress = egress;
    room.terminals = terminals;
    if (!room.loaded) room.found = terminals;
    room.loaded = true;
  }
}
