// What a person chose in this window: selection, layout, open dialogs and files. Sizes and the last selection are
// remembered per workspace in local storage. Nothing here is the engine's truth.
import { SvelteSet } from 'svelte/reactivity';
import type { FileEntry, Plan, Problem, ProcessId, Snapshot, Source, Workspace, WorkspaceId } from '../wire';
import { keep, kept } from './keep';
import { TabOrder } from './tabOrder.svelte';

export type Layout = 'all' | 'preview' | 'terminal' | 'messages';
export const LAYOUTS: Layout[] = ['all', 'preview', 'terminal'];
export type Panel = 'messages' | 'network' | 'logs' | 'metrics' | 'processes';
export type Device = 'full' | 'tablet' | 'phone';

export type Dialog =
  | { kind: 'settings'; section?: 'engine' }
  | { kind: 'engine' }
  | { kind: 'shortcuts' }
  | { kind: 'palette' }
  | { kind: 'plan'; name: string; plan: Plan }
  /** A new workspace; of this, when it was chosen already. */
  | { kind: 'create'; source?: Source }
  | { kind: 'history' }
  /** The log of a workspace that is not in front, perhaps gone. */
  | { kind: 'log'; id: WorkspaceId; name: string }
  | { kind: 'lease'; id: WorkspaceId }
  | { kind: 'limits'; id: WorkspaceId }
  | { kind: 'snapshots' }
  /** Take one of a workspace, or say something else of one that is there. */
  | { kind: 'snapshot'; of: Workspace | Snapshot }
  | {
      kind: 'confirm';
      title: string;
      text: string;
      act: string;
      danger?: boolean;
      /** A second way on, beside cancelling. */
      other?: { label: string; run: () => void };
      /** Shown as code: a link, a path. */
      shown?: string;
      /** A box to tick, and what to do when it was. */
      tick?: { label: string; run: () => void };
      run: () => void;
    }
  | {
      kind: 'ask';
      title: string;
      label: string;
      value: string;
      act: string;
      hint?: string;
      check: (value: string) => string | null;
      run: (value: string) => void;
    };

export type Notice = {
  id: number;
  level: 'ok' | 'warning' | 'error';
  text: string;
  hint?: string;
  /** What can be done about it with one click. */
  act?: { label: string; run: () => void };
};

/** Sizes in percent: preview of the height, terminal of the width below. */
export type Sizes = { preview: number; terminal: number };
export const USUAL_SIZES: Sizes = { preview: 57.5, terminal: 55.5 };

/** A file open in the editor. */
export type OpenFile = {
  id: WorkspaceId;
  path: string;
  /** As it was when `text` was read or written. */
  entry: FileEntry;
  /** What is in the container as far as is known; null when it is no text. */
  text: string | null;
  /** Something else was typed. */
  dirty: boolean;
  /** What something else wrote while it was dirty. */
  theirs: { text: string | null; entry: FileEntry } | null;
  /** It is no longer in the container. */
  gone: boolean;
  /** Said of it for a moment. */
  mark: 'reloaded' | 'moved' | null;
  /** Counts how often `text` came from outside. */
  loads: number;
  /** The last save, perhaps under way. */
  saving: Promise<void> | null;
};

const NOTICE_MS = 6000;
const MAX_NOTICES = 3;
/** How long something can be taken back. */
const OFFER_MS = 20_000;

export class View {
  selected = $state<WorkspaceId | null>(null);
  layout = $state<Layout>('all');
  sizes = $state.raw<Sizes>(USUAL_SIZES);
  sidebar = $state(true);
  panel = $state<Panel>('messages');
  device = $state<Device>('full');
  dialog = $state.raw<Dialog | null>(null);
  notices = $state.raw<Notice[]>([]);
  /** The process whose tab is in front, per workspace. */
  tabs = $state<Record<WorkspaceId, ProcessId | undefined>>({});
  /** The one in the second half, where there is one. */
  beside = $state<Record<WorkspaceId, ProcessId | undefined>>({});
  /** The half that was used last. */
  half = $state<'first' | 'second'>('first');
  readonly order = new TabOrder();
  /** Names given to tabs here. */
  tabNames = $state<Record<string, string>>(kept('tab-names', {}));
  files = $state<OpenFile[]>([]);
  /** The path in front of the preview; null shows the preview. */
  file = $state<string | null>(null);
  /** Something is over the preview's place, which a native webview would hide. */
  #covers = new SvelteSet<string>();
  #notice = 0;

  get covered(): boolean {
    return this.#covers.size > 0;
  }

  cover(name: string, on: boolean): void {
    if (on) this.#covers.add(name);
    else this.#covers.delete(name);
  }

  select(id: WorkspaceId | null): void {
    if (this.selected === id) return;
    this.selected = id;
    this.file = null;
    if (id === null) return;
    keep('selected', id);
    const place = kept<{ layout?: Layout; sizes?: Sizes; device?: Device }>(`place.${id}`, {});
    this.layout = place.layout ?? 'all';
    this.sizes = place.sizes ?? USUAL_SIZES;
    this.device = place.device ?? 'full';
  }

  /** The workspace is gone: nothing of it stays remembered. */
  forget(id: WorkspaceId): void {
    keep(`place.${id}`, null);
    delete this.tabs[id];
    delete this.beside[id];
    this.order.forget(id);
    this.files = this.files.filter((file) => file.id !== id);
    for (const key of Object.keys(this.tabNames)) if (key.startsWith(`${id}/`)) delete this.tabNames[key];
    keep('tab-names', this.tabNames);
  }

  open(file: Pick<OpenFile, 'id' | 'path' | 'entry' | 'text'>): void {
    this.files.push({ ...file, dirty: false, theirs: null, gone: false, mark: null, loads: 0, saving: null });
  }

  place(change: { layout?: Layout; sizes?: Sizes; device?: Device }): void {
    if (change.layout !== undefined) this.layout = change.layout;
    if (change.sizes !== undefined) this.sizes = change.sizes;
    if (change.device !== undefined) this.device = change.device;
    if (this.selected !== null) {
      keep(`place.${this.selected}`, { layout: this.layout, sizes: this.sizes, device: this.device });
    }
  }

  cycleLayout(): void {
    this.place({ layout: LAYOUTS[(LAYOUTS.indexOf(this.layout) + 1) % LAYOUTS.length] ?? 'all' });
  }

  /** Brings a panel in sight, whatever the layout was. */
  showPanel(panel: Panel): void {
    this.panel = panel;
    if (this.layout === 'preview' || this.layout === 'terminal') this.place({ layout: 'all' });
  }

  nameTab(id: WorkspaceId, process: ProcessId, name: string): void {
    this.tabNames[`${id}/${process}`] = name;
    keep('tab-names', this.tabNames);
  }

  say(text: string): void {
    this.#tell({ level: 'ok', text });
  }

  /** Something comes to an end unless somebody does something. */
  warn(text: string, act: Notice['act']): void {
    this.#tell({ level: 'warning', text, act });
  }

  /** Something was done and can be taken back for a moment; `over` when it no longer can. */
  offer(text: string, act: NonNullable<Notice['act']>, over: () => void = () => {}): void {
    let taken = false;
    const run = () => {
      taken = true;
      act.run();
    };
    this.#tell({ level: 'ok', text, act: { label: act.label, run } }, OFFER_MS);
    setTimeout(() => taken || over(), OFFER_MS);
  }

  /** A question nobody waits for: a notice while another dialog is open, for what is typed there is not to be lost. */
  askGently(question: Extract<Dialog, { kind: 'confirm' }>): void {
    if (this.free) this.dialog = question;
    else this.warn(question.text, { label: question.act, run: question.run });
  }

  /** No dialog is open, or only a list in which nothing is typed. */
  get free(): boolean {
    return this.dialog === null || this.dialog.kind === 'snapshots';
  }

  complain(problem: Problem): void {
    this.#tell({ level: 'error', text: problem.message, hint: problem.hint });
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  #tell(notice: Omit<Notice, 'id'>, lasts?: number): void {
    const id = ++this.#notice;
    this.notices = [...this.notices, { id, ...notice }].slice(-MAX_NOTICES);
    // An error stays longer: there is more to read, and its hint says what to do. A warning can be acted upon meanwhile.
    setTimeout(() => this.dismiss(id), lasts ?? NOTICE_MS * { ok: 0.5, error: 2, warning: 10 }[notice.level]);
  }
}
