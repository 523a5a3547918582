// The actions of a workspace, for the menu in the title bar and the context menu of its row.

import AppWindow from '@lucide/svelte/icons/app-window';
import Camera from '@lucide/svelte/icons/camera';
import CircleQuestion from '@lucide/svelte/icons/circle-question-mark';
import Copy from '@lucide/svelte/icons/copy';
import FolderSync from '@lucide/svelte/icons/folder-sync';
import Gauge from '@lucide/svelte/icons/gauge';
import HeartPulse from '@lucide/svelte/icons/heart-pulse';
import Pause from '@lucide/svelte/icons/pause';
import Pencil from '@lucide/svelte/icons/pencil';
import Play from '@lucide/svelte/icons/play';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Square from '@lucide/svelte/icons/square';
import Timer from '@lucide/svelte/icons/timer';
import Trash from '@lucide/svelte/icons/trash-2';
import X from '@lucide/svelte/icons/x';
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import type { Workspace } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';
import { leaseEntries } from './leaseEntries';
import { policyEntries } from './policyEntries';

export function workspaceEntries(app: App, workspace: Workspace): MenuEntry[] {
  const { act } = app;
  const { id, state } = workspace;
  const runs = state === 'running' || state === 'failed';
  const entries: (MenuEntry | false)[] = [
    runs && {
      kind: 'item',
      label: t.workspace.restart,
      icon: RotateCw,
      shortcut: 'Mod+Shift+R',
      run: () => void act.redeploy(id, 'start'),
    },
    state === 'creating' && { kind: 'item', label: t.phases.cancel, icon: X, run: () => void act.cancel(id) },
    runs && {
      kind: 'item',
      label: t.workspace.pause,
      icon: Pause,
      run: () => void act.lease(id, { kind: 'pause' }),
    },
    state === 'paused' && {
      kind: 'item',
      label: t.workspace.resume,
      icon: Play,
      run: () => void act.lease(id, { kind: 'resume' }),
    },
    (runs || state === 'paused') && {
      kind: 'item',
      label: t.workspace.stop,
      icon: Square,
      run: () => void act.stop(id),
    },
    state === 'stopped' && { kind: 'item', label: t.workspace.start, icon: Play, run: () => void act.start(id) },
    state !== 'terminated' && { kind: 'line' },
    state !== 'terminated' && {
      kind: 'more',
      label: t.title.left,
      icon: Timer,
      entries: leaseEntries(app, workspace, Date.now()),
    },
    state !== 'terminated' && {
      kind: 'more',
      label: t.health.policy,
      icon: HeartPulse,
      entries: policyEntries(app, workspace),
    },
    state !== 'terminated' && {
      kind: 'item',
      label: t.limits.command,
      icon: Gauge,
      testid: 'limits',
      run: () => {
        app.view.dialog = { kind: 'limits', id };
      },
    },
    (state === 'running' || state === 'paused' || state === 'stopped') && {
      kind: 'item',
      label: t.snapshots.take,
      icon: Camera,
      testid: 'snapshot',
      run: () => {
        app.view.dialog = { kind: 'snapshot', of: workspace };
      },
    },
    state !== 'terminated' &&
      app.syncing.of(workspace) === null && {
        kind: 'item',
        label: workspace.folder === undefined ? t.sync.otherCommand : t.sync.startCommand,
        icon: FolderSync,
        testid: 'sync',
        run: () => {
          if (workspace.folder === undefined) void app.syncing.choose(id);
          else void app.syncing.start(id, workspace.folder, false);
        },
      },
    { kind: 'item', label: t.workspace.rename, icon: Pencil, run: () => act.askRename(workspace) },
    workspace.url !== null && {
      kind: 'item',
      label: t.workspace.copyUrl,
      icon: Copy,
      run: () => void act.copy(workspace.url ?? ''),
    },
    workspace.plan !== null && {
      kind: 'item',
      label: t.workspace.showPlan,
      icon: CircleQuestion,
      run: () => act.showPlan(workspace),
    },
    app.only === null && {
      kind: 'item',
      label: t.workspace.newWindow,
      icon: AppWindow,
      run: () => void act.newWindow(id),
    },
    { kind: 'line' },
    {
      kind: 'item',
      label: t.workspace.remove,
      icon: Trash,
      danger: true,
      testid: 'remove',
      run: () => act.askRemove(workspace),
    },
  ];
  return entries.filter((entry) => entry !== false);
}
