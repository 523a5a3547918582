// A workspace's log as the engine keeps it: a bounded window of lines that moves, by number, over one of any length.
// Follows the end by asking for what comes after the last number; a flood is passed over to its newest part, and what
// was passed over is read when somebody scrolls there. Not here: what a line looks like.
import { asProblem, type Backend } from '../backend';
import { beginning, entriesOf, type LogEntry, seqOf } from '../logs/entries';
import { EVERYTHING, grepOf, type LogFilter, patternOf, queryOf } from '../logs/filter';
import { LogSearch } from '../logs/search.svelte';
import type { LogPage, LogQuery, Problem, WorkspaceId } from '../wire';
import { Nap } from './nap';

/** Lines held at once, and read at once. */
export const MOST_LINES = 5000;
export const PAGE = 1000;
/** Programs offered to choose from. */
const MOST_NAMES = 64;
/** Waiting for what is not there yet; between two looks in a flood, while paused, and after a failure, milliseconds. */
const WAIT_MS = 5000;
const FLOOD_MS = 150;
const PAUSED_MS = 1000;
const AGAIN_MS = 2000;

export class LogView {
  entries = $state.raw<LogEntry[]>([]);
  /** Programs of lines that were seen, also of those left out by now. */
  processes = $state.raw<string[]>([]);
  /** The first answer has not come. */
  loading = $state(true);
  problem = $state.raw<Problem | null>(null);
  /** New lines are put at the end as they come. */
  following = $state(true);
  /** More may come. */
  live = $state(true);
  /** The window reaches the newest line; the oldest one that fits. */
  atEnd = $state(true);
  atStart = $state(false);
  /** Numbers after the window's, while it stands still. */
  newer = $state(0);
  filter = $state.raw<LogFilter>(EVERYTHING);
  /** Where the text is found. */
  readonly search: LogSearch;
  #backend: Backend;
  #id: WorkspaceId;
  #query: LogQuery;
  /** The number looked at last; null: nothing was yet. */
  #next: number | null = null;
  /** What is asked under an older number is no longer wanted. */
  #turn = 0;
  #busy = false;
  #ended = false;
  #nap = new Nap();

  constructor(backend: Backend, id: WorkspaceId) {
    this.#backend = backend;
    this.search = new LogSearch(backend);
    this.#id = id;
    this.#query = { id };
  }

  get pattern(): RegExp | null {
    return patternOf(this.filter);
  }

  get firstSeq(): number | undefined {
    return seqOf(this.entries[0]);
  }

  /** Begins at the end; the answer ends it. Asking again after its workspace changed goes on where it stood. */
  watch(): () => void {
    this.#ended = false;
    const turn = ++this.#turn;
    void this.#follow(turn);
    const shown = () => this.#nap.wake();
    document.addEventListener('visibilitychange', shown);
    return () => {
      document.removeEventListener('visibilitychange', shown);
      if (this.#turn === turn) this.#turn += 1;
      this.#ended = true;
      this.#nap.wake();
    };
  }

  /** Other lines are wanted, or the same ones marked differently. */
  set(change: Partial<LogFilter>): void {
    const before = JSON.stringify(queryOf(this.#id, this.filter, 0));
    const text = grepOf(this.filter);
    this.filter = { ...this.filter, ...change };
    const other = JSON.stringify(queryOf(this.#id, this.filter, 0)) !== before;
    if (other) {
      this.#query = queryOf(this.#id, this.filter, Date.now());
      this.newest();
    }
    if (other || grepOf(this.filter) !== text) void this.search.find(this.#query, grepOf(this.filter));
  }

  /** The newest lines, and on from there. */
  newest(): void {
    this.following = true;
    this.loading = this.entries.length === 0;
    this.#next = null;
    this.#restart();
  }

  hold(): void {
    this.following = false;
    this.#nap.wake();
  }

  /** Somebody is at the end of the window: what comes is shown, and what is there already comes first. */
  async reachEnd(): Promise<void> {
    if (!this.atEnd) return this.later();
    if (this.following) return;
    this.following = true;
    this.#nap.wake();
  }

  /** What is before the window. */
  older(): Promise<void> {
    const before = this.firstSeq;
    if (this.atStart || before === undefined) return Promise.resolve();
    return this.#move(async () => {
      const page = await this.#ask({ tail: PAGE, before });
      const fresh = entriesOf(page);
      return () => {
        this.atStart = page.records.length === 0;
        const all = [...beginning(page, before, this.#query, this.entries[0]), ...fresh, ...this.entries];
        if (all.length > MOST_LINES) {
          this.atEnd = false;
          this.following = false;
          this.#next = seqOf(all[MOST_LINES - 1]) ?? this.#next;
        }
        this.#put(all.slice(0, MOST_LINES));
      };
    });
  }

  /** What is after the window. */
  later(): Promise<void> {
    if (this.atEnd && this.newer === 0) return Promise.resolve();
    return this.#move(async () => {
      const page = await this.#ask({ after: this.#next ?? 0, limit: PAGE });
      return () => this.#append(page);
    });
  }

  /** The first lines that fit. */
  async oldest(): Promise<void> {
    await this.#place(async () => ({ ...(await this.#ask({ after: 0, limit: PAGE })), start: true }));
  }

  /** Brings a line and what is around it into the window. */
  async show(seq: number): Promise<void> {
    if (this.entries.some((entry) => entry.kind === 'line' && entry.record.seq === seq)) {
      this.hold();
      return;
    }
    await this.#place(async () => {
      const up = await this.#ask({ tail: PAGE / 2, before: seq });
      const down = await this.#ask({ after: seq - 1, limit: PAGE / 2 });
      return { ...down, gap: undefined, records: [...up.records, ...down.records], start: up.records.length === 0 };
    });
  }

  /** The next line that holds the text, or the one before; gives its number. */
  async step(by: 1 | -1): Promise<number | null> {
    // Enter comes right after the last letter.
    await this.search.found;
    const seq = this.search.step(by);
    if (seq === null) return null;
    await this.show(seq);
    return seq;
  }

  #ask(part: Partial<LogQuery>): Promise<LogPage> {
    return this.#backend.call('workspace.logs', { ...this.#query, ...part });
  }

  #put(entries: LogEntry[]): void {
    this.entries = entries;
    const names = new Set(this.processes);
    for (const entry of entries) if (entry.kind === 'line') names.add(entry.record.process);
    if (names.size > this.processes.length) this.processes = [...names].slice(0, MOST_NAMES);
  }

  #append(page: LogPage): void {
    this.#next = page.next;
    this.live = page.live;
    this.atEnd = !page.more;
    if (!page.more) this.newer = 0;
    const last = seqOf(this.entries.at(-1)) ?? 0;
    const fresh = entriesOf(page).filter((entry) => (seqOf(entry) ?? 0) > last);
    if (fresh.length === 0) return;
    const all = [...this.entries, ...fresh];
    if (all.length > MOST_LINES) this.atStart = false;
    this.#put(all.slice(-MOST_LINES));
    this.search.take(
      fresh.flatMap((entry) => (entry.kind === 'line' ? [entry.record] : [])),
      this.pattern,
    );
  }

  /** Moves the window by what was asked, unless something else was wanted meanwhile. */
  async #move(ask: () => Promise<() => void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const turn = this.#turn;
    try {
      const put = await ask();
      if (turn === this.#turn) put();
    } catch (thrown) {
      if (turn === this.#turn) this.problem = asProblem(thrown);
    } finally {
      this.#busy = false;
    }
  }

  /** Puts the window somewhere else, standing still. */
  async #place(ask: () => Promise<LogPage & { start: boolean }>): Promise<void> {
    this.following = false;
    const turn = ++this.#turn;
    try {
      const page = await ask();
      if (turn !== this.#turn) return;
      this.#put(entriesOf(page));
      this.#next = page.next;
      this.atStart = page.start;
      this.atEnd = !page.more;
    } catch (thrown) {
      if (turn === this.#turn) this.problem = asProblem(thrown);
    }
    if (turn === this.#turn) void this.#follow(turn);
  }

  #restart(): void {
    if (this.#ended) return;
    void this.#follow(++this.#turn);
  }

  async #follow(turn: number): Promise<void> {
    const current = () => turn === this.#turn && !this.#ended;
    while (current()) {
      try {
        const goesOn = await this.#once(current);
        if (!goesOn) return;
      } catch (thrown) {
        if (!current()) return;
        this.problem = asProblem(thrown);
        this.loading = false;
        await this.#nap.sleep(AGAIN_MS);
      }
      while (current() && document.visibilityState !== 'visible') await this.#nap.sleep(60_000);
    }
  }

  /** One question. False: there is nothing more to ask until something changes. */
  async #once(current: () => boolean): Promise<boolean> {
    if (this.#next === null) {
      // With a wait, though of nothing: a program that printed nothing yet is no mistake.
      const page = await this.#ask({ tail: PAGE, wait_ms: 0 });
      if (!current()) return false;
      this.#put(entriesOf(page));
      this.#next = page.next;
      this.live = page.live;
      this.loading = false;
      this.problem = null;
      this.atEnd = true;
      this.newer = 0;
      this.atStart = page.records.length === 0;
      return true;
    }
    if (!this.following) {
      const { next, live } = await this.#backend.call('workspace.logs', { id: this.#id, tail: 0 });
      if (!current()) return false;
      this.problem = null;
      this.live = live;
      this.newer = Math.max(0, next - this.#next);
      if (this.newer > 0) this.atEnd = false;
      await this.#nap.sleep(PAUSED_MS);
      return true;
    }
    const page = await this.#ask({ after: this.#next, limit: PAGE, wait_ms: WAIT_MS });
    if (!current()) return false;
    this.problem = null;
    if (!this.following) return true;
    if (page.more) {
      // Faster than it can be read: on at the newest, and not too often.
      this.#next = null;
      await this.#nap.sleep(FLOOD_MS);
      return true;
    }
    this.#append(page);
    return page.live;
  }
}
