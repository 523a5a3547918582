// Commands on the workspace in front, and moving between workspaces.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { RestartPolicy } from '../wire';
import { lease } from './lease';
import type { Command } from './types';

const POLICIES: RestartPolicy[] = ['never', 'on-failure', 'always'];

export function workspace(app: App): Command[] {
  const { act, view } = app;
  const is =
    (...states: string[]) =>
    () =>
      app.workspace !== null && states.includes(app.workspace.state);
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
    {
      id: 'restart',
      title: t.workspace.restart,
      group: 'workspace',
      shortcut: 'Mod+Shift+R',
      anywhere: true,
      when: is('running', 'failed'),
      run: on((id) => void act.redeploy(id, 'start')),
    },
    {
      id: 'stop',
      title: t.workspace.stop,
      group: 'workspace',
      when: is('running', 'failed', 'paused'),
      run: on((id) => void act.stop(id)),
    },
    {
      id: 'pause',
      title: t.workspace.pause,
      group: 'workspace',
      when: is('running', 'failed'),
      run: on((id) => void act.lease(id, { kind: 'pause' })),
    },
    {
      id: 'resume',
      title: t.workspace.resume,
      group: 'workspace',
      when: is('paused'),
      run: on((id) => void act.lease(id, { kind: 'resume' })),
    },
    {
      id: 'start',
      title: t.workspace.start,
      group: 'workspace',
      when: is('stopped'),
      run: on((id) => void act.start(id)),
    },
    {
      id: 'cancel',
      title: t.phases.cancel,
      group: 'workspace',
      when: is('creating'),
      run: on((id) => void act.cancel(id)),
    },
    {
      id: 'extend',
      title: t.workspace.extend,
      group: 'workspace',
      shortcut: 'Mod+Shift+X',
      anywhere: true,
      when: () => is('running', 'creating', 'failed', 'paused')() && app.workspace?.lease.duration_s != null,
      run: on((id) => void act.extend(id)),
    },
    ...lease(app),
    ...POLICIES.map((policy) => ({
      id: `policy-${policy}`,
      title: t.health.policyShort[policy],
      group: 'workspace' as const,
      when: () => some() && app.workspace?.restart !== policy,
      run: on((id) => void act.restartPolicy(id, policy)),
    })),
    {
      id: 'snapshot',
      title: t.snapshots.take,
      group: 'workspace',
      when: is('running', 'paused', 'stopped'),
      run: () => {
        if (app.workspace !== null) view.dialog = { kind: 'snapshot', of: app.workspace };
      },
    },
    {
      id: 'limits',
      title: t.limits.command,
      group: 'workspace',
      when: is('running', 'failed', 'paused', 'stopped', 'creating'),
      run: on((id) => {
        view.dialog = { kind: 'limits', id };
      }),
    },
    {
      id: 'rename',
      title: t.workspace.rename,
      group: 'workspace',
      when: some,
      run: () => {
        if (app.workspace !== null) act.askRename(app.workspace);
      },
    },
    {
      id: 'plan',
      title: t.workspace.showPlan,
      group: 'workspace',
      when: () => app.workspace?.plan != null,
      run: () => {
        if (app.workspace !== null) act.showPlan(app.workspace);
      },
    },
    {
      id: 'new-window',
      title: t.workspace.newWindow,
      group: 'workspace',
      when: () => some() && app.only === null,
      run: on((id) => void act.newWindow(id)),
    },
    {
      id: 'remove',
      title: t.workspace.remove,
      group: 'workspace',
      when: some,
      run: () => {
        if (app.workspace !== null) act.askRemove(app.workspace);
      },
    },
    {
      id: 'next',
      title: t.palette.nextWorkspace,
      group: 'workspace',
      shortcut: 'Mod+Alt+ArrowDown',
      anywhere: true,
      when: () => app.store.workspaces.length > 1,
      run: step(1),
    },
    {
      id: 'previous',
      title: t.palette.previousWorkspace,
      group: 'workspace',
      shortcut: 'Mod+Alt+ArrowUp',
      anywhere: true,
      when: () => app.store.workspaces.length > 1,
      run: step(-1),
    },
  ];
}
