// What can be done about a lease, for its pill in the title bar and the menu of the workspace.
import AlarmClockOff from '@lucide/svelte/icons/alarm-clock-off';
import Endless from '@lucide/svelte/icons/infinity';
import Pause from '@lucide/svelte/icons/pause';
import Pencil from '@lucide/svelte/icons/pencil';
import Play from '@lucide/svelte/icons/play';
import Timer from '@lucide/svelte/icons/timer';
import TimerReset from '@lucide/svelte/icons/timer-reset';
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import { inGrace } from '../../lib/state/facts';
import type { Workspace } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';

const QUARTER_S = 900;
/** What must stay after shortening. */
const LEAST_S = 60;

/** Seconds left of a lease that has an end; null: kept. */
export function leftSeconds({ lease }: Workspace, now: number): number | null {
  if (lease.remaining_ms != null) return Math.floor(lease.remaining_ms / 1000);
  return lease.expires_at_ms === null ? null : Math.max(0, Math.floor((lease.expires_at_ms - now) / 1000));
}

export function leaseEntries(app: App, workspace: Workspace, now: number): MenuEntry[] {
  const { act } = app;
  const { id, state } = workspace;
  const left = leftSeconds(workspace, now);
  const paused = state === 'paused';
  const grace = inGrace(workspace);
  const entries: (MenuEntry | false)[] = [
    grace && { kind: 'item', label: t.lease.back, icon: TimerReset, run: () => void act.bringBack(id) },
    !grace &&
      left !== null && {
        kind: 'item',
        label: t.lease.extendQuarter,
        icon: Timer,
        shortcut: 'Mod+Shift+X',
        testid: 'lease-quarter',
        run: () => void act.extend(id),
      },
    !grace &&
      left !== null && {
        kind: 'item',
        label: t.lease.extendHour,
        icon: Timer,
        testid: 'lease-hour',
        run: () => void act.lease(id, { kind: 'extend', seconds: 3600 }),
      },
    !grace &&
      left !== null &&
      left >= QUARTER_S + LEAST_S && {
        kind: 'item',
        label: t.lease.shorten,
        icon: TimerReset,
        testid: 'lease-shorten',
        run: () => void act.lease(id, { kind: 'set', seconds: left - QUARTER_S }),
      },
    {
      kind: 'item',
      label: t.lease.set,
      icon: Pencil,
      testid: 'lease-set',
      run: () => {
        app.view.dialog = { kind: 'lease', id };
      },
    },
    (left !== null || grace) && {
      kind: 'item',
      label: t.lease.keep,
      icon: Endless,
      testid: 'lease-keep',
      run: () => void act.lease(id, { kind: 'keep' }),
    },
    { kind: 'line' },
    (state === 'running' || state === 'failed') && {
      kind: 'item',
      label: t.lease.pause,
      icon: Pause,
      testid: 'lease-pause',
      run: () => void act.lease(id, { kind: 'pause' }),
    },
    paused && {
      kind: 'item',
      label: t.lease.resume,
      icon: Play,
      testid: 'lease-resume',
      run: () => void act.lease(id, { kind: 'resume' }),
    },
    !grace && {
      kind: 'item',
      label: t.lease.expire,
      icon: AlarmClockOff,
      danger: true,
      testid: 'lease-expire',
      run: () => act.askExpire(workspace),
    },
  ];
  const kept = entries.filter((entry) => entry !== false);
  return kept.at(-1)?.kind === 'line' ? kept.slice(0, -1) : kept;
}
