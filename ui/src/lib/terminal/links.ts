// Links in output: http(s) only, asked about with their whole address, once per workspace if so wished. An address of
// the container's own localhost opens in the preview, since on this machine it would lead nowhere.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { WorkspaceId } from '../wire';

const LOCAL = new Set(['localhost', '127.0.0.1', '0.0.0.0', '[::1]', '[::]']);
/** Workspaces whose links open without asking, in this window. */
const trusted = new Set<WorkspaceId>();

export function followLink(app: App, id: WorkspaceId, uri: string): void {
  if (!URL.canParse(uri)) return;
  const url = new URL(uri);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return;
  const workspace = app.store.workspace(id);
  const port = LOCAL.has(url.hostname) ? workspace?.ports.find((other) => String(other.port) === url.port) : undefined;
  if (port !== undefined) {
    app.view.file = null;
    app.page.load(new URL(url.pathname + url.search + url.hash, port.url).href);
    return;
  }
  if (trusted.has(id)) {
    void app.act.openExternal(url.href);
    return;
  }
  app.view.dialog = {
    kind: 'confirm',
    title: t.terminal.linkTitle,
    text: t.terminal.linkText,
    shown: url.href,
    act: t.terminal.linkDo,
    tick: { label: t.terminal.linkAlways, run: () => trusted.add(id) },
    run: () => void app.act.openExternal(url.href),
  };
}
