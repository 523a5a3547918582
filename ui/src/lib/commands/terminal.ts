// Commands of the terminals.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import { alive, appOf } from '../state/facts';
import { type Command, focus } from './types';

export function terminal(app: App): Command[] {
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
    {
      id: 'shell',
      title: t.terminal.open,
      group: 'terminal',
      shortcut: 'Mod+Shift+T',
      anywhere: true,
      when: can,
      run: () => {
        if (app.workspace !== null) void terminals.openShell(app.workspace.id);
      },
    },
    {
      id: 'terminal',
      title: t.palette.focusTerminal,
      group: 'terminal',
      shortcut: 'Mod+`',
      anywhere: true,
      when: some,
      run: () => terminals.active?.focus(),
    },
    {
      id: 'find',
      title: t.palette.find,
      group: 'terminal',
      shortcut: 'Mod+Shift+F',
      anywhere: true,
      when: some,
      run: () => {
        terminals.finding = true;
        requestAnimationFrame(() => focus('.find input'));
      },
    },
    {
      id: 'next-tab',
      title: t.palette.nextTab,
      group: 'terminal',
      shortcut: 'Ctrl+PageDown',
      anywhere: true,
      when: some,
      run: step(1),
    },
    {
      id: 'previous-tab',
      title: t.palette.previousTab,
      group: 'terminal',
      shortcut: 'Ctrl+PageUp',
      anywhere: true,
      when: some,
      run: step(-1),
    },
    {
      id: 'font-larger',
      title: t.palette.fontLarger,
      group: 'terminal',
      shortcut: 'Mod+=',
      anywhere: true,
      page: 'never',
      run: () => terminals.resizeType(1),
    },
    {
      id: 'font-smaller',
      title: t.palette.fontSmaller,
      group: 'terminal',
      shortcut: 'Mod+-',
      anywhere: true,
      page: 'never',
      run: () => terminals.resizeType(-1),
    },
    {
      id: 'font-reset',
      title: t.palette.fontReset,
      group: 'terminal',
      shortcut: 'Mod+0',
      anywhere: true,
      page: 'never',
      run: () => terminals.resizeType(null),
    },
    {
      id: 'clear',
      title: t.palette.clear,
      group: 'terminal',
      when: some,
      run: () => terminals.active?.terminal.clear(),
    },
  ];
}
