// Commands of the window: opening, dialogs, layout, theme.

import { revealChanged } from '../files/reveal';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { Panel } from '../state/view.svelte';
import { type Command, focus } from './types';

/** Letters with Ctrl and Shift; the others are a click or the palette away. */
const PANEL_KEYS: Partial<Record<Panel, string>> = {
  logs: 'Mod+Shift+G',
  metrics: 'Mod+Shift+M',
  processes: 'Mod+Shift+J',
};

export function general(app: App): Command[] {
  const { view, act } = app;
  const theme = (theme: 'light' | 'dark' | 'system') => () => {
    const settings = app.store.settings;
    if (settings !== null) void act.attempt(app.backend.call('settings.set', { ...settings, theme }));
  };
  return [
    {
      id: 'palette',
      title: t.palette.open,
      group: 'general',
      shortcut: 'Mod+K',
      page: 'take',
      run: () => {
        view.dialog = { kind: 'palette' };
      },
    },
    {
      id: 'palette-anywhere',
      title: t.palette.openAnywhere,
      group: 'general',
      shortcut: 'Mod+Shift+P',
      anywhere: true,
      run: () => {
        view.dialog = { kind: 'palette' };
      },
    },
    {
      id: 'create',
      title: t.create.command,
      group: 'general',
      shortcut: 'Mod+N',
      page: 'take',
      when: () => app.only === null,
      run: () => act.create(),
    },
    {
      id: 'history',
      title: t.history.command,
      group: 'general',
      shortcut: 'Mod+Shift+H',
      anywhere: true,
      when: () => app.only === null,
      run: () => {
        view.dialog = { kind: 'history' };
      },
    },
    {
      id: 'snapshots',
      title: t.snapshots.command,
      group: 'general',
      when: () => app.only === null,
      run: () => app.snapshots.list(),
    },
    { id: 'open-zip', title: t.drop.chooseZip, group: 'general', shortcut: 'Mod+O', run: () => void act.choose('zip') },
    {
      id: 'open-folder',
      title: t.drop.chooseFolder,
      group: 'general',
      shortcut: 'Mod+Shift+O',
      anywhere: true,
      run: () => void act.choose('folder'),
    },
    {
      id: 'settings',
      title: t.palette.settings,
      group: 'general',
      shortcut: 'Mod+,',
      anywhere: true,
      run: () => {
        view.dialog = { kind: 'settings' };
      },
    },
    {
      id: 'shortcuts',
      title: t.palette.shortcuts,
      group: 'general',
      shortcut: '?',
      run: () => {
        view.dialog = { kind: 'shortcuts' };
      },
    },
    {
      id: 'layout',
      title: t.palette.layoutCycle,
      group: 'general',
      shortcut: 'Mod+Shift+L',
      anywhere: true,
      run: () => view.cycleLayout(),
    },
    { id: 'layout-all', title: t.palette.layoutAll, group: 'general', run: () => view.place({ layout: 'all' }) },
    {
      id: 'layout-preview',
      title: t.palette.layoutPreview,
      group: 'general',
      run: () => view.place({ layout: 'preview' }),
    },
    {
      id: 'layout-terminal',
      title: t.palette.layoutTerminal,
      group: 'general',
      run: () => view.place({ layout: 'terminal' }),
    },
    {
      id: 'layout-messages',
      title: t.palette.layoutMessages,
      group: 'general',
      run: () => view.place({ layout: 'messages' }),
    },
    {
      id: 'sidebar',
      title: t.palette.toggleSidebar,
      group: 'general',
      shortcut: 'Mod+B',
      run: () => {
        view.sidebar = !view.sidebar;
      },
    },
    {
      id: 'files',
      title: t.palette.focusFiles,
      group: 'general',
      shortcut: 'Mod+Shift+E',
      anywhere: true,
      run: () => {
        view.sidebar = true;
        requestAnimationFrame(() => focus('[role="tree"]'));
      },
    },
    {
      id: 'files-changed',
      title: t.files.reveal,
      group: 'general',
      when: () => app.files.marks.all.length > 0,
      run: () => void revealChanged(app),
    },
    ...(['messages', 'network', 'logs', 'metrics', 'processes'] as const).map((panel) => ({
      id: `panel-${panel}`,
      title: t.palette.showPanel(panel === 'metrics' || panel === 'processes' ? t[panel].tab : t.panel[panel]),
      group: 'general' as const,
      ...(PANEL_KEYS[panel] === undefined ? {} : { shortcut: PANEL_KEYS[panel], anywhere: true }),
      when: () => app.workspace !== null,
      run: () => {
        view.showPanel(panel);
        requestAnimationFrame(() => focus(`[data-testid="tab-${panel}"]`));
      },
    })),
    {
      id: 'engine',
      title: t.palette.engine,
      group: 'general',
      run: () => {
        view.dialog = { kind: 'engine' };
      },
    },
    { id: 'engine-retry', title: t.palette.engineRetry, group: 'general', run: () => void act.retryEngine() },
    { id: 'theme-light', title: t.palette.themeLight, group: 'general', run: theme('light') },
    { id: 'theme-dark', title: t.palette.themeDark, group: 'general', run: theme('dark') },
    { id: 'theme-system', title: t.palette.themeSystem, group: 'general', run: theme('system') },
  ];
}
