// The page in the preview webview: what the desktop says of it, which address to load, and where the webview lies.
// Rectangles are sent one at a time, the newest last, so that a slow answer never puts the webview back.
import type { Backend, DesktopEvent, Rectangle } from '../backend';
import { asProblem } from '../backend';
import type { Workspace, WorkspaceId } from '../wire';

type Placed = Rectangle & { visible: boolean };

const HIDDEN: Placed = { x: 0, y: 0, width: 0, height: 0, visible: false };

function same(a: Placed, b: Placed): boolean {
  return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height && a.visible === b.visible;
}

export class PreviewPage {
  url = $state('');
  title = $state('');
  loading = $state(false);
  canBack = $state(false);
  canForward = $state(false);
  zoom = $state(1);
  /** The workspace whose page the webview holds. */
  holder = $state<WorkspaceId | null>(null);
  #backend: Backend;
  /** Which deploy of which workspace the page is of. */
  #deployed = '';
  #sent: Placed = HIDDEN;
  #wanted: Placed = HIDDEN;
  #sending = false;
  /** What the workspace in front may show; news of anything else is of the page before. */
  #origins: ReadonlySet<string> = new Set();
  /** Where each workspace's page was left. */
  #left = new Map<WorkspaceId, string>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  take(event: Extract<DesktopEvent, { kind: 'preview' }>): void {
    if (!this.#origins.has(originOf(event.url))) return;
    this.url = event.url;
    this.title = event.title;
    this.loading = event.loading;
    this.canBack = event.can_back;
    this.canForward = event.can_forward;
    if (this.holder !== null) this.#left.set(this.holder, event.url);
  }

  /** Brings the page of a workspace in front, where it was left if its address still holds. */
  show(workspace: Workspace): void {
    if (workspace.url === null) return;
    this.#origins = new Set([workspace.url, ...workspace.ports.map(({ url }) => url)].map(originOf));
    const deployed = `${workspace.id} ${workspace.url} ${workspace.ready_ms}`;
    if (this.#deployed === deployed) return;
    this.#deployed = deployed;
    const left = this.#left.get(workspace.id);
    this.holder = workspace.id;
    this.load(left !== undefined && this.#origins.has(originOf(left)) ? left : workspace.url);
  }

  /** Lets go of the page of a workspace that no longer runs: a page nobody sees need not work on. */
  release(id: WorkspaceId): void {
    if (this.holder !== id) return;
    this.holder = null;
    this.#deployed = '';
    this.#origins = new Set();
    this.load('about:blank');
    this.url = '';
    this.loading = false;
  }

  load(url: string): void {
    this.url = url;
    this.loading = true;
    this.#backend.desktop('desktop.preview-load', { url }).catch((thrown: unknown) => {
      this.loading = false;
      console.warn('preview', asProblem(thrown).message);
    });
  }

  place(wanted: Placed): void {
    this.#wanted = wanted;
    if (!this.#sending) void this.#send();
  }

  hide(): void {
    this.place({ ...this.#wanted, visible: false });
  }

  async #send(): Promise<void> {
    this.#sending = true;
    while (!same(this.#sent, this.#wanted)) {
      const next = this.#wanted;
      this.#sent = next;
      try {
        await this.#backend.desktop('desktop.preview-place', next);
      } catch (thrown) {
        console.warn('preview-place', asProblem(thrown).message);
      }
    }
    this.#sending = false;
  }
}

export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : '';
}

/** What was typed in the address bar, inside the workspace: its address, or null when it leads elsewhere. */
export function inside(typed: string, current: string, workspace: Workspace): string | null {
  const base = workspace.url ?? current;
  const origins = [base, ...workspace.ports.map(({ url }) => url)].map(originOf);
  const text = typed.trim();
  const absolute = /^[a-z][a-z0-9+.-]*:/i.test(text) && !/^[^/]*:\d/.test(text) ? text : null;
  const guess = absolute ?? (text.startsWith('/') ? text : hostLike(text, origins) ? `http://${text}` : `/${text}`);
  if (!URL.canParse(guess, current || base)) return null;
  const url = new URL(guess, current || base);
  return origins.includes(url.origin) ? url.href : null;
}

function hostLike(text: string, origins: string[]): boolean {
  const host = text.split('/')[0] ?? '';
  return host.includes(':') || host.endsWith('.localhost') || origins.some((origin) => origin.endsWith(`//${host}`));
}
