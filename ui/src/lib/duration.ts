// Durations as people type them: a number and a unit, or none at all ("until I stop it"). And what is wrong with them.
import { t } from './messages';

export type Unit = 'minutes' | 'hours' | 'days' | 'keep';
export type Length = { amount: string; unit: Unit };

const SECONDS: Record<Exclude<Unit, 'keep'>, number> = { minutes: 60, hours: 3600, days: 86_400 };
export const SHORTEST_S = 60;
export const LONGEST_S = 30 * 86_400;

/** Seconds; 0 keeps it. NaN when it is no number. */
export function secondsOf({ amount, unit }: Length): number {
  if (unit === 'keep') return 0;
  const text = amount.trim().replace(',', '.');
  return text === '' ? Number.NaN : Math.round(Number(text) * SECONDS[unit]);
}

/** As the largest unit in which it is a whole number. */
export function lengthOf(seconds: number): Length {
  if (seconds <= 0) return { amount: '', unit: 'keep' };
  for (const unit of ['days', 'hours', 'minutes'] as const) {
    if (seconds % SECONDS[unit] === 0) return { amount: String(seconds / SECONDS[unit]), unit };
  }
  return { amount: String(Number((seconds / 60).toFixed(2))), unit: 'minutes' };
}

/** Why a workspace cannot live that long; null when it can. */
export function wrongLength(length: Length): string | null {
  if (length.unit === 'keep') return null;
  const seconds = secondsOf(length);
  if (!Number.isFinite(seconds)) return t.duration.number;
  if (seconds < SHORTEST_S) return t.duration.short;
  return seconds > LONGEST_S ? t.duration.long : null;
}
