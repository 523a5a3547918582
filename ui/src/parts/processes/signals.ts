// What can be sent to a process. What it cannot refuse is asked about first; Slipway's own is left alone.
import Copy from '@lucide/svelte/icons/copy';
import OctagonX from '@lucide/svelte/icons/octagon-x';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import { t } from '../../lib/messages';
import type { ProcessRow } from '../../lib/processes/tree';
import type { App } from '../../lib/state/app.svelte';
import type { WorkspaceId } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';

const TERM = 15;
const INT = 2;
const HUP = 1;
const STOP = 19;
const CONT = 18;
const KILL = 9;

export function signalEntries(
  app: App,
  id: WorkspaceId,
  { process }: ProcessRow,
  others: number,
  send: (signal: number, tree: boolean) => void,
): MenuEntry[] {
  const copy: MenuEntry = {
    kind: 'item',
    label: t.processes.copyCommand,
    icon: Copy,
    run: () => void app.act.copy(process.command),
  };
  if (process.pid === 1) return [{ kind: 'title', label: t.processes.agent }, copy];
  const plain = (signal: number): MenuEntry => ({
    kind: 'item',
    label: t.processes.signals[signal]?.label ?? String(signal),
    note: t.processes.signals[signal]?.note,
    testid: `signal-${signal}`,
    run: () => send(signal, false),
  });
  const ask = (tree: boolean) => () => {
    app.view.dialog = {
      kind: 'confirm',
      title: tree ? t.processes.treeTitle(process.name, others) : t.processes.killTitle(process.name),
      text: tree ? t.processes.treeText : t.processes.killText,
      shown: process.command,
      act: t.processes.killDo,
      danger: true,
      run: () => send(KILL, tree),
    };
  };
  const terminal = process.process;
  return [
    ...(terminal === undefined
      ? []
      : [
          {
            kind: 'item',
            label: t.processes.showTerminal,
            icon: SquareTerminal,
            run: () => app.terminals.show(id, terminal),
          } as const,
        ]),
    copy,
    { kind: 'line' },
    plain(TERM),
    plain(INT),
    plain(HUP),
    plain(process.state === 'T' ? CONT : STOP),
    { kind: 'line' },
    {
      kind: 'item',
      label: t.processes.signals[KILL]?.label ?? '',
      note: t.processes.signals[KILL]?.note,
      danger: true,
      testid: 'signal-9',
      run: ask(false),
    },
    { kind: 'item', label: t.processes.killTree, icon: OctagonX, danger: true, testid: 'kill-tree', run: ask(true) },
  ];
}
