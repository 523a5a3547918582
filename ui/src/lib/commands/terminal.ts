// Commands of the terminals.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import { alive, appOf } from '../state/facts';
import { type Command, focus } from './types';

export function terminal(app: App): Command[] {
  const { terminals } = app;
  const { arrangement } = terminals;
  const can = () => app.workspace !== null && alive(app.workspace);
  const some = () => terminals.active !== null;
  const step = (by: number) => () => {
    if (app.workspace === null) return;
    const list = terminals.listed(app.workspace.id);
    if (list.length === 0) return;
    const { id: workspace } = app.workspace;
    const front =
      arrangement.half(workspace) === 'second' ? arrangement.beside(workspace) : arrangement.front(workspace);
    const at = list.findIndex(({ id }) => id === (front ?? appOf(list)?.id));
    const next = list[(at + by + list.length) % list.length];
    if (next !== undefined) terminals.show(app.workspace.id, next.id);
  };
  const move = (by: number) => {
    const process = terminals.active?.process;
    if (process === undefined || process === null) return;
    const list = terminals.listed(process.workspace);
    const at = list.findIndex(({ id }) => id === process.id);
    arrangement.move(process.workspace, process.id, at + by);
  };
  const resize = (by: number | null) => {
    if (app.workspace !== null) terminals.resizeType(app.workspace.id, by);
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
      id: 'host',
      title: t.host.open,
      group: 'terminal',
      when: () => terminals.host.allowed === true,
      run: () => void terminals.host.show(),
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
    ...([-1, 1] as const).map((by) => ({
      id: by < 0 ? 'tab-left' : 'tab-right',
      title: by < 0 ? t.palette.tabLeft : t.palette.tabRight,
      group: 'terminal' as const,
      shortcut: by < 0 ? 'Ctrl+Shift+PageUp' : 'Ctrl+Shift+PageDown',
      anywhere: true,
      when: some,
      run: () => move(by),
    })),
    {
      id: 'split',
      title: t.terminal.split,
      group: 'terminal',
      shortcut: 'Mod+Shift+D',
      anywhere: true,
      when: () => can() && some(),
      run: () => {
        if (app.workspace === null) return;
        const { id } = app.workspace;
        if (arrangement.beside(id) === undefined) void terminals.split(id);
        else terminals.join(id);
      },
    },
    {
      id: 'font-larger',
      title: t.palette.fontLarger,
      group: 'terminal',
      shortcut: 'Mod+=',
      anywhere: true,
      page: 'never',
      when: some,
      run: () => resize(1),
    },
    {
      id: 'font-smaller',
      title: t.palette.fontSmaller,
      group: 'terminal',
      shortcut: 'Mod+-',
      anywhere: true,
      page: 'never',
      when: some,
      run: () => resize(-1),
    },
    {
      id: 'font-reset',
      title: t.palette.fontReset,
      group: 'terminal',
      shortcut: 'Mod+0',
      anywhere: true,
      page: 'never',
      when: some,
      run: () => resize(null),
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
