// A workspace's log as the engine keeps it: a bounded window of lines that moves, by number, over one of any length.
// Follows the end by asking for what comes after the last number; a flood is passed over to its newest part, and what
// was passed over is read when somebody scrolls there. Not here: what a line looks like.
import { asProblem, type Backend } from '../backend';
import { EVERYTHING, grepOf, type LogFilter, patternOf, queryOf } from '../logs/filter';
import type { LogPage, LogQuery, LogRecord, Problem, WorkspaceId } from '../wire';

/** Lines held at once, read at once, and looked through for the text. */
export const MOST_LINES = 5000;
export const PAGE = 1000;
export const MOST_HITS = 5000;
/** Waiting for what is not there yet; between two looks in a flood, while paused, and after a failure, milliseconds. */
const WAIT_MS = 5000;
const FLOOD_MS = 150;
const PAUSED_MS = 1000;
const AGAIN_MS = 2000;

export type LogEntry = { kind: 'line'; record: LogRecord } | { kind: 'gap'; lines: number; seq: number };

const seqOf = (entry: LogEntry | undefined) => (entry?.kind === 'line' ? entry.record.seq : entry?.seq);

function entriesOf({ records, gap }: LogPage): LogEntry[] {
  const entries: LogEntry[] = records.map((record) => ({ kind: 'line', record }));
  if (gap) entries.unshift({ kind: 'gap', lines: gap.to - gap.from, seq: gap.to });
  return entries;
}

export class LogView {
  entries = $state.raw<LogEntry[]>([]);
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
  /** Numbers of the lines that hold the text, ascending; the newest ones when there are too many. */
  hits = $state.raw<number[]>([]);
  hitsFull = $state(false);
  /** The one in front, as a place among the hits; -1: none. */
  hit = $state(-1);
  /** Why the text cannot be looked for. */
  textProblem = $state.raw<Problem | null>(null);
  #backend: Backend;
  #id: WorkspaceId;
  #query: LogQuery;
  /** The number looked at last; null: nothing was yet. */
  #next: number | null = null;
  /** What is asked under an older number is no longer wanted. */
  #turn = 0;
  #search = 0;
  #busy = false;
  #ended = false;
  #wake: () => void = () => {};

  constructor(backend: Backend, id: WorkspaceId) {
    this.#backend = backend;
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
    const shown = () => this.#wake();
    document.addEventListener('visibilitychange', shown);
    return () => {
      document.removeEventListener('visibilitychange', shown);
      if (this.#turn === turn) this.#turn += 1;
      this.#ended = true;
      this.#wake();
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
    if (other || grepOf(this.filter) !== text) void this.#find();
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
    this.#wake();
  }

  /** Somebody is at the end of the window: what comes is shown, and what is there already comes first. */
  async reachEnd(): Promise<void> {
    if (!this.atEnd) return this.later();
    if (this.following) return;
    this.following = true;
    this.#wake();
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
        const all = [...this.#begin(page, before), ...fresh, ...this.entries];
        if (all.length > MOST_LINES) {
          this.atEnd = false;
          this.following = false;
          this.#next = seqOf(all[MOST_LINES - 1]) ?? this.#next;
        }
        this.entries = all.slice(0, MOST_LINES);
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
      return { ...down, gap: null, records: [...up.records, ...down.records], start: up.records.length === 0 };
    });
  }

  /** The next line that holds the text, or the one before; gives its number. */
  async step(by: 1 | -1): Promise<number | null> {
    const { hits } = this;
    if (hits.length === 0) return null;
    const at = this.hit < 0 ? hits.length - 1 : (this.hit + by + hits.length) % hits.length;
    this.hit = at;
    const seq = hits[at];
    if (seq === undefined) return null;
    await this.show(seq);
    return seq;
  }

  async #find(): Promise<void> {
    const mine = ++this.#search;
    const grep = grepOf(this.filter);
    const clear = () => {
      this.hits = [];
      this.hit = -1;
      this.hitsFull = false;
      this.textProblem = null;
    };
    if (grep === null) return clear();
    try {
      const page = await this.#backend.call('workspace.logs', { ...this.#query, grep, tail: MOST_HITS });
      if (mine !== this.#search) return;
      clear();
      this.hits = page.records.map(({ seq }) => seq);
      this.hitsFull = page.more || this.hits.length === MOST_HITS;
      this.hit = this.hits.length - 1;
    } catch (thrown) {
      if (mine !== this.#search) return;
      clear();
      this.textProblem = asProblem(thrown);
    }
  }

  #ask(part: Partial<LogQuery>): Promise<LogPage> {
    return this.#backend.call('workspace.logs', { ...this.#query, ...part });
  }

  /** Where the log begins because its first lines were dropped. */
  #begin(page: LogPage, before: number): LogEntry[] {
    const oldest = page.records[0]?.seq ?? before;
    const known = this.entries[0]?.kind === 'gap';
    const whole = this.#query.grep === undefined && this.#query.level === undefined && this.#query.process === undefined;
    const timed = this.#query.since_ms !== undefined || this.#query.until_ms !== undefined;
    if (page.records.length > 0 || known || !whole || timed || oldest <= 1) return [];
    return [{ kind: 'gap', lines: oldest - 1, seq: oldest }];
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
    this.entries = all.slice(-MOST_LINES);
    const pattern = this.pattern;
    if (pattern === null) return;
    const known = this.hits.at(-1) ?? 0;
    const more = fresh.flatMap((entry) =>
      entry.kind === 'line' && entry.record.seq > known && entry.record.message.search(pattern) >= 0
        ? [entry.record.seq]
        : [],
    );
    if (more.length === 0) return;
    const hits = [...this.hits, ...more];
    const over = Math.max(0, hits.length - MOST_HITS);
    this.hits = hits.slice(over);
    this.hit = Math.max(-1, this.hit - over);
    this.hitsFull ||= over > 0;
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
      this.entries = entriesOf(page);
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

  #sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
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
        await this.#sleep(AGAIN_MS);
      }
      while (current() && document.visibilityState !== 'visible') await this.#sleep(60_000);
    }
  }

  /** One question. False: there is nothing more to ask until something changes. */
  async #once(current: () => boolean): Promise<boolean> {
    if (this.#next === null) {
      // With a wait, though of nothing: a program that printed nothing yet is no mistake.
      const page = await this.#ask({ tail: PAGE, wait_ms: 0 });
      if (!current()) return false;
      this.entries = entriesOf(page);
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
      await this.#sleep(PAUSED_MS);
      return true;
    }
    const page = await this.#ask({ after: this.#next, limit: PAGE, wait_ms: WAIT_MS });
    if (!current()) return false;
    this.problem = null;
    if (!this.following) return true;
    if (page.more) {
      // Faster than it can be read: on at the newest, and not too often.
      this.#next = null;
      await this.#sleep(FLOOD_MS);
      return true;
    }
    this.#append(page);
    return page.live;
  }
}
