// Every command a person can give, in one list: the palette, the shortcuts and their help all read it.
import type { App } from './state/app.svelte';
import { alive, appOf } from './state/facts';
import { t } from './messages';
import type { Shortcut } from './keys';

export type Group = 'general' | 'workspace' | 'preview' | 'terminal' | 'editor';

export type Command = {
  id: string;
  title: string;
  group: Group;
  shortcut?: Shortcut;
  /** Works while a terminal has the focus, too. */
  anywhere?: boolean;
  /** Absent: always. */
  when?: () => boolean;
  run: () => void;
};

const focus = (selector: string) => document.querySelector<HTMLElement>(selector)?.focus();

function general(app: App): Command[] {
  const { view, act } = app;
  const theme = (theme: 'light' | 'dark' | 'system') => () => {
    const settings = app.store.settings;
    if (settings !== null) void act.attempt(app.backend.call('settings.set', { ...settings, theme }));
  };
  return [
    { id: 'palette', title: t.palette.open, group: 'general', shortcut: 'Mod+K', run: () => { view.dialog = { kind: 'palette' }; } },
    { id: 'palette-anywhere', title: t.palette.open, group: 'general', shortcut: 'Mod+Shift+P', anywhere: true, run: () => { view.dialog = { kind: 'palette' }; } },
    { id: 'open-zip', title: t.drop.chooseZip, group: 'general', shortcut: 'Mod+O', run: () => void act.choose('zip') },
    { id: 'open-folder', title: t.drop.chooseFolder, group: 'general', shortcut: 'Mod+Shift+O', anywhere: true, run: () => void act.choose('folder') },
    { id: 'settings', title: t.palette.settings, group: 'general', shortcut: 'Mod+,', anywhere: true, run: () => { view.dialog = { kind: 'settings' }; } },
    { id: 'shortcuts', title: t.palette.shortcuts, group: 'general', shortcut: '?', run: () => { view.dialog = { kind: 'shortcuts' }; } },
    { id: 'layout', title: t.palette.layoutCycle, group: 'general', shortcut: 'Mod+Shift+L', anywhere: true, run: () => view.cycleLayout() },
    { id: 'layout-all', title: t.palette.layoutAll, group: 'general', run: () => view.place({ layout: 'all' }) },
    { id: 'layout-preview', title: t.palette.layoutPreview, group: 'general', run: () => view.place({ layout: 'preview' }) },
    { id: 'layout-terminal', title: t.palette.layoutTerminal, group: 'general', run: () => view.place({ layout: 'terminal' }) },
    { id: 'layout-messages', title: t.palette.layoutMessages, group: 'general', run: () => view.place({ layout: 'messages' }) },
    { id: 'sidebar', title: t.palette.toggleSidebar, group: 'general', shortcut: 'Mod+B', run: () => { view.sidebar = !view.sidebar; } },
    { id: 'files', title: t.palette.focusFiles, group: 'general', shortcut: 'Mod+Shift+E', anywhere: true, run: () => { view.sidebar = true; requestAnimationFrame(() => focus('[role="tree"]')); } },
    { id: 'engine', title: t.palette.engine, group: 'general', run: () => { view.dialog = { kind: 'engine' }; } },
    { id: 'engine-retry', title: t.palette.engineRetry, group: 'general', run: () => void act.retryEngine() },
    { id: 'theme-light', title: t.palette.themeLight, group: 'general', run: theme('light') },
    { id: 'theme-dark', title: t.palette.themeDark, group: 'general', run: theme('dark') },
    { id: 'theme-system', title: t.palette.themeSystem, group: 'general', run: theme('system') },
  ];
}

function workspace(app: App): Command[] {
  const { act, view } = app;
  const is = (...states: string[]) => () => app.workspace !== null && states.includes(app.workspace.state);
  const some = () => app.workspace !== null;
  const on = (run: (id: string) => void) => () => {
    if (app.workspace !== null) run(app.workspace.id);
  };
  const step = (by: number) => () => {
    const list = app.store.workspaces;
    const at = list.findIndex(({ id }) => id === view.selected);
    const next = list[(at + by + list.length) % list.length];
    if (next !== undefined) view.select(next.id);
  };
  return [
    { id: 'restart', title: t.workspace.restart, group: 'workspace', shortcut: 'Mod+Shift+R', anywhere: true, when: is('running', 'failed'), run: on((id) => void act.redeploy(id, 'start')) },
    { id: 'stop', title: t.workspace.stop, group: 'workspace', when: is('running', 'failed'), run: on((id) => void act.stop(id)) },
    { id: 'start', title: t.workspace.start, group: 'workspace', when: is('stopped'), run: on((id) => void act.start(id)) },
    { id: 'cancel', title: t.phases.cancel, group: 'workspace', when: is('creating'), run: on((id) => void act.cancel(id)) },
    { id: 'extend', title: t.workspace.extend, group: 'workspace', shortcut: 'Mod+Shift+X', anywhere: true, when: is('running', 'creating', 'failed'), run: on((id) => void act.extend(id)) },
    { id: 'keep', title: t.workspace.keep, group: 'workspace', when: () => app.workspace?.lease.expires_at_ms != null, run: on((id) => void act.lease(id, { kind: 'keep' })) },
    { id: 'rename', title: t.workspace.rename, group: 'workspace', when: some, run: () => { if (app.workspace !== null) act.askRename(app.workspace); } },
    { id: 'plan', title: t.workspace.showPlan, group: 'workspace', when: () => app.workspace?.plan != null, run: () => { if (app.workspace !== null) act.showPlan(app.workspace); } },
    { id: 'new-window', title: t.workspace.newWindow, group: 'workspace', when: () => some() && app.only === null, run: on((id) => void act.newWindow(id)) },
    { id: 'remove', title: t.workspace.remove, group: 'workspace', when: some, run: () => { if (app.workspace !== null) act.askRemove(app.workspace); } },
    { id: 'next', title: t.palette.nextWorkspace, group: 'workspace', shortcut: 'Mod+Alt+ArrowDown', anywhere: true, when: () => app.store.workspaces.length > 1, run: step(1) },
    { id: 'previous', title: t.palette.previousWorkspace, group: 'workspace', shortcut: 'Mod+Alt+ArrowUp', anywhere: true, when: () => app.store.workspaces.length > 1, run: step(-1) },
  ];
}

function preview(app: App): Command[] {
  const { act, page, backend, view } = app;
  const shown = () => app.workspace?.state === 'running' && app.workspace.url !== null;
  const does = (action: 'back' | 'forward' | 'reload' | 'hard-reload') => () =>
    void act.attempt(backend.desktop('desktop.preview-act', { action }));
  const zoom = (next: (now: number) => number) => () => {
    page.zoom = Math.min(3, Math.max(0.25, next(page.zoom)));
    void act.attempt(backend.desktop('desktop.preview-zoom', { factor: page.zoom }));
  };
  return [
    { id: 'reload', title: t.preview.reload, group: 'preview', shortcut: 'Mod+R', when: shown, run: does('reload') },
    { id: 'hard-reload', title: t.preview.hardReload, group: 'preview', when: shown, run: does('hard-reload') },
    { id: 'back', title: t.preview.back, group: 'preview', shortcut: 'Alt+ArrowLeft', when: () => shown() && page.canBack, run: does('back') },
    { id: 'forward', title: t.preview.forward, group: 'preview', shortcut: 'Alt+ArrowRight', when: () => shown() && page.canForward, run: does('forward') },
    { id: 'address', title: t.palette.focusPreview, group: 'preview', shortcut: 'Mod+L', when: shown, run: () => focus('[data-testid="preview-url"]') },
    { id: 'screenshot', title: t.preview.screenshot, group: 'preview', shortcut: 'Mod+Shift+S', anywhere: true, when: shown, run: () => void act.screenshot() },
    { id: 'open-browser', title: t.preview.open, group: 'preview', when: shown, run: () => { if (app.workspace?.url) void act.openExternal(page.url || app.workspace.url); } },
    { id: 'copy-url', title: t.preview.copyUrl, group: 'preview', when: shown, run: () => { if (app.workspace?.url) void act.copy(page.url || app.workspace.url); } },
    { id: 'zoom-in', title: t.preview.zoomIn, group: 'preview', when: shown, run: zoom((now) => now * 1.1) },
    { id: 'zoom-out', title: t.preview.zoomOut, group: 'preview', when: shown, run: zoom((now) => now / 1.1) },
    { id: 'zoom-reset', title: t.preview.zoomReset, group: 'preview', when: shown, run: zoom(() => 1) },
    { id: 'device-full', title: t.preview.full, group: 'preview', when: shown, run: () => view.place({ device: 'full' }) },
    { id: 'device-tablet', title: t.preview.tablet, group: 'preview', when: shown, run: () => view.place({ device: 'tablet' }) },
    { id: 'device-phone', title: t.preview.phone, group: 'preview', when: shown, run: () => view.place({ device: 'phone' }) },
  ];
}

function terminal(app: App): Command[] {
  const { terminals, view } = app;
  const can = () => app.workspace !== null && alive(app.workspace);
  const some = () => terminals.active !== null;
  const step = (by: number) => () => {
    const list = app.room?.processes ?? [];
    if (app.workspace === null || list.length === 0) return;
    const at = list.findIndex(({ id }) => id === (view.tabs[app.workspace?.id ?? ''] ?? appOf(list)?.id));
    const next = list[(at + by + list.length) % list.length];
    if (next !== undefined) terminals.show(app.workspace.id, next.id);
  };
  return [
    { id: 'shell', title: t.terminal.open, group: 'terminal', shortcut: 'Mod+Shift+T', anywhere: true, when: can, run: () => { if (app.workspace !== null) void terminals.openShell(app.workspace.id); } },
    { id: 'terminal', title: t.palette.focusTerminal, group: 'terminal', shortcut: 'Mod+`', anywhere: true, when: some, run: () => terminals.active?.focus() },
    { id: 'find', title: t.palette.find, group: 'terminal', shortcut: 'Mod+Shift+F', anywhere: true, when: some, run: () => { terminals.finding = true; requestAnimationFrame(() => focus('.find input')); } },
    { id: 'next-tab', title: t.palette.nextTab, group: 'terminal', shortcut: 'Ctrl+PageDown', anywhere: true, when: some, run: step(1) },
    { id: 'previous-tab', title: t.palette.previousTab, group: 'terminal', shortcut: 'Ctrl+PageUp', anywhere: true, when: some, run: step(-1) },
    { id: 'font-larger', title: t.palette.fontLarger, group: 'terminal', shortcut: 'Mod+=', anywhere: true, run: () => terminals.resizeType(1) },
    { id: 'font-smaller', title: t.palette.fontSmaller, group: 'terminal', shortcut: 'Mod+-', anywhere: true, run: () => terminals.resizeType(-1) },
    { id: 'font-reset', title: t.palette.fontReset, group: 'terminal', shortcut: 'Mod+0', anywhere: true, run: () => terminals.resizeType(null) },
    { id: 'clear', title: t.palette.clear, group: 'terminal', when: some, run: () => terminals.active?.terminal.clear() },
  ];
}

/** Every command there is, usable now or not. */
export function commands(app: App): Command[] {
  return [...general(app), ...workspace(app), ...preview(app), ...terminal(app)];
}

export function usable(command: Command): boolean {
  return command.when?.() ?? true;
}
