// Questions about a workspace that several places ask: its colour, its word, its current phase.
import { countdown, countdownLasts, elapsed } from '../format';
import { t } from '../messages';
import type { EgressEntry, Phase, Process, Workspace } from '../wire';

export type Tone = 'ok' | 'busy' | 'bad' | 'off';

export function tone(workspace: Workspace): Tone {
  switch (workspace.state) {
    case 'running':
      return 'ok';
    case 'creating':
      return 'busy';
    case 'failed':
    case 'terminated':
      return 'bad';
    case 'paused':
    case 'stopped':
    case 'deleted':
      return 'off';
  }
}

export function currentPhase(workspace: Workspace): Phase | null {
  return workspace.phases.find(({ state }) => state === 'running') ?? null;
}

export function failedPhase(workspace: Workspace): Phase | null {
  return workspace.phases.find(({ state }) => state === 'failed') ?? null;
}

/** The word in the state pill. */
export function stateWord(workspace: Workspace): string {
  switch (workspace.state) {
    case 'running':
      return workspace.ready_ms === null ? t.title.running : t.title.ready(elapsed(workspace.ready_ms));
    case 'creating': {
      const phase = currentPhase(workspace);
      return phase === null ? t.title.creating : t.title.busy[phase.name];
    }
    case 'failed': {
      const phase = failedPhase(workspace);
      return phase === null ? t.title.failedAny : t.title.failed(phase.name);
    }
    case 'paused':
      return t.title.paused;
    case 'stopped':
      return t.title.stopped;
    case 'terminated':
      return t.title.terminated;
    case 'deleted':
      return t.title.deleted;
  }
}

/** What stands at the right of its row. */
export function leaseWord(workspace: Workspace, now: number): string {
  if (workspace.state === 'paused') return t.title.paused;
  if (workspace.state === 'stopped') return t.workspace.stoppedShort;
  if (workspace.state === 'terminated') return t.workspace.endedShort;
  if (workspace.state === 'failed') return '';
  const { expires_at_ms } = workspace.lease;
  return expires_at_ms === null ? t.workspace.keptShort : countdown(expires_at_ms - now);
}

/** The last tenth of its time has begun. */
export function leaseEnding(workspace: Workspace, now: number): boolean {
  const at = endingAt(workspace);
  return at !== null && now > at;
}

function endingAt({ lease: { expires_at_ms, duration_s } }: Workspace): number | null {
  return expires_at_ms === null || duration_s === null ? null : expires_at_ms - duration_s * 100;
}

/** Milliseconds for which `leaseWord` and `leaseEnding` stay as they are. */
export function leaseLasts(workspace: Workspace, now: number): number {
  const { expires_at_ms } = workspace.lease;
  const counted = workspace.state === 'running' || workspace.state === 'creating' || workspace.state === 'deleted';
  if (expires_at_ms === null || !counted) return Number.POSITIVE_INFINITY;
  const ending = (endingAt(workspace) ?? 0) - now;
  return Math.min(countdownLasts(expires_at_ms - now), ending < 0 ? Number.POSITIVE_INFINITY : ending + 1);
}

export function planWord(workspace: Workspace): string {
  if (workspace.plan !== null) return workspace.plan.title;
  return workspace.state === 'creating' ? t.workspace.noPlan : t.workspace.unknownPlan;
}

/** Something inside may run, so terminals and files answer. */
export function alive(workspace: Workspace): boolean {
  return workspace.state === 'running' || workspace.state === 'failed' || workspace.state === 'creating';
}

export function appOf(processes: Process[]): Process | null {
  return processes.findLast(({ role }) => role === 'app') ?? null;
}

/** What was last decided about a host; null while it still waits or was never tried. */
export function verdictOf(egress: EgressEntry[], host: string): 'allowed' | 'blocked' | null {
  const last = egress.findLast((entry) => entry.host === host);
  return last === undefined || last.verdict === 'asked' ? null : last.verdict;
}

export function askedHosts(egress: EgressEntry[]): string[] {
  const hosts = new Set(egress.filter(({ verdict }) => verdict === 'asked').map(({ host }) => host));
  return [...hosts].filter((host) => verdictOf(egress, host) === null);
}
