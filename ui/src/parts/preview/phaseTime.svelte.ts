// How long a phase took, or has taken: a running one counts on between the engine's events, once a second.
import { elapsed } from '../../lib/format';
import { clock } from '../../lib/state/clock.svelte';
import type { Phase, Workspace } from '../../lib/wire';

const EVERY_MS = 1000;

/** Called while a component is set up. */
export function phaseTime(workspace: () => Workspace): (phase: Phase) => string {
  // The last word of the engine on the running phase, and when it came.
  const base = $derived.by(() => {
    const phase = workspace().phases.find(({ state }) => state === 'running');
    return { name: phase?.name, elapsed_ms: phase?.elapsed_ms ?? 0, at: Date.now() };
  });
  $effect(() => {
    if (base.name === undefined) return;
    return clock.follow(() => EVERY_MS);
  });
  return (phase) => {
    if (phase.state === 'waiting' || phase.elapsed_ms === null) return '';
    if (phase.state !== 'running' || phase.name !== base.name) return elapsed(phase.elapsed_ms);
    return elapsed(base.elapsed_ms + Math.max(0, clock.now - base.at));
  };
}
