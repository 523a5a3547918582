// Questions about a workspace that several places ask: its colour, its word, its current phase.
import { countdown, countdownLasts, elapsed } from '../format';
import { t } from '../messages';
import type { EgressEntry, EngineStatus, Phase, Process, Warning, Workspace, WorkspaceId } from '../wire';

export type Tone = 'ok' | 'busy' | 'bad' | 'off';

export function tone(workspace: Workspace): Tone {
  const health = workspace.health.state;
  switch (workspace.state) {
    case 'running':
      if (health === 'unhealthy') return 'bad';
      return health === 'degraded' ? 'busy' : 'ok';
    case 'creating':
      return health === 'crashed' ? 'bad' : 'busy';
    case 'failed':
    case 'terminated':
      return 'bad';
    case 'paused':
    case 'stopped':
    case 'deleted':
      return 'off';
  }
}

/** Its files are in a container that answers: once they were sent in. */
export function readable(workspace: Workspace): boolean {
  const uploaded = workspace.phases.some(
    ({ name, state }) => name === 'upload' && state !== 'waiting' && state !== 'running',
  );
  return alive(workspace) && (uploaded || workspace.phases.length === 0);
}

/** Its health, where it is worse than its state says. */
export function illness({ state, health }: Workspace): 'degraded' | 'unhealthy' | 'crashed' | null {
  const told = state === 'running' || state === 'creating' || state === 'failed';
  const ill = health.state === 'degraded' || health.state === 'unhealthy' || health.state === 'crashed';
  return told && ill ? (health.state as 'degraded' | 'unhealthy' | 'crashed') : null;
}

/** What Slipway could not do to it after several tries; the engine says it among its warnings. */
export function attention(engine: EngineStatus | null, id: WorkspaceId): Warning | null {
  return engine?.warnings.find(({ workspace }) => workspace === id) ?? null;
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
    case 'running': {
      const ill = illness(workspace);
      if (ill !== null) return t.health.word[ill];
      return workspace.ready_ms === null ? t.title.running : t.title.ready(elapsed(workspace.ready_ms));
    }
    case 'creating': {
      if (workspace.health.state === 'crashed') return t.health.word.crashed;
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

/** Its container is meant to be there, and no Docker engine answers: what is known of it was so once. */
export function outOfReach(engine: EngineStatus | null, workspace: Workspace): boolean {
  return engine?.state === 'absent' && (alive(workspace) || workspace.state === 'paused');
}

/** How it stands now, as colour and word: before its own state comes what Slipway could not do, and whether Docker answers. */
export function standing(engine: EngineStatus | null, workspace: Workspace): { tone: Tone; word: string } {
  if (attention(engine, workspace.id) !== null) return { tone: 'bad', word: t.health.attention };
  if (outOfReach(engine, workspace)) return { tone: 'busy', word: t.engine.away };
  return { tone: tone(workspace), word: stateWord(workspace) };
}

/** What stands at the right of its row. */
export function leaseWord(workspace: Workspace, now: number): string {
  const { expires_at_ms, deleted_at_ms } = workspace.lease;
  if (workspace.state === 'paused') return t.title.paused;
  if (workspace.state === 'terminated') return t.workspace.endedShort;
  if (workspace.state === 'stopped') {
    return deleted_at_ms == null ? t.workspace.stoppedShort : t.workspace.goneShort(countdown(deleted_at_ms - now));
  }
  return expires_at_ms === null ? t.workspace.keptShort : countdown(expires_at_ms - now);
}

/** What stands in the title: what is left, standing still or not, or when it is deleted. */
export function leaseLong(workspace: Workspace, now: number): string {
  const { deleted_at_ms, remaining_ms } = workspace.lease;
  if (deleted_at_ms != null) return t.lease.gone(countdown(deleted_at_ms - now));
  if (workspace.state !== 'paused') return leaseWord(workspace, now);
  return remaining_ms == null ? t.title.paused : t.lease.paused(countdown(remaining_ms));
}

/** Its lease has ended, and until it is deleted it can be brought back. */
export function inGrace({ lease }: Workspace): boolean {
  return lease.deleted_at_ms != null;
}

/** The last tenth of its time has begun, or all of it is over. */
export function leaseEnding(workspace: Workspace, now: number): boolean {
  const at = endingAt(workspace);
  return inGrace(workspace) || (at !== null && now > at);
}

function endingAt({ lease: { expires_at_ms, duration_s } }: Workspace): number | null {
  return expires_at_ms === null || duration_s === null ? null : expires_at_ms - duration_s * 100;
}

/** Milliseconds for which `leaseWord`, `leaseLong` and `leaseEnding` stay as they are. */
export function leaseLasts(workspace: Workspace, now: number): number {
  const { expires_at_ms, deleted_at_ms } = workspace.lease;
  if (deleted_at_ms != null) return countdownLasts(deleted_at_ms - now);
  const counted = ['running', 'creating', 'failed'].includes(workspace.state);
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

/** Its figures change. */
export function measured({ state }: Workspace): boolean {
  return state === 'running' || state === 'failed' || state === 'creating';
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
