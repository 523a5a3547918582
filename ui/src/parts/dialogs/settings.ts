// Settings as they are typed: text and minutes here, seconds and numbers in the engine; and what is wrong with them.
import { t } from '../../lib/messages';
import type { Problem, Settings } from '../../lib/wire';

export type Draft = Omit<
  Settings,
  | 'duration_s'
  | 'grace_s'
  | 'listen_timeout_s'
  | 'terminal_font_px'
  | 'terminal_history_mb'
  | 'allow_hosts'
  | 'intake'
  | 'idle_stop_min'
  | 'disk_limit_mb'
  | 'log_limit_mb'
  | 'pool_size'
> & {
  duration_min: string;
  grace_min: string;
  listen_timeout_s: string;
  idle_stop_min: string;
  disk_limit_mb: string;
  log_limit_mb: string;
  /** Empty: as usual. */
  pool_size: string;
  terminal_font_px: string;
  terminal_history_mb: string;
  /** One host a line. */
  allow_hosts: string;
};
type Wrong = Partial<Record<keyof Draft, string>>;

/** A smaller limit than this would stop everything. */
const LEAST_DISK_MB = 64;
const MONTH_MIN = 30 * 24 * 60;
const NUMBERS = {
  duration_min: [0, MONTH_MIN],
  grace_min: [0, MONTH_MIN],
  listen_timeout_s: [5, 3600],
  terminal_font_px: [8, 32],
  terminal_history_mb: [4, 16],
  idle_stop_min: [0, MONTH_MIN],
  disk_limit_mb: [0, 1024 * 1024],
  log_limit_mb: [1, 4096],
  pool_size: [0, 100],
} as const satisfies Partial<Record<keyof Draft, readonly [number, number]>>;
/** The fields beside which something wrong is said. */
const SHOWN = [...Object.keys(NUMBERS), 'allow_hosts', 'docker_host'];
const HOST = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Minutes as typed; a duration that is no whole number of minutes keeps its fraction. */
const minutes = (seconds: number) => String(Number((seconds / 60).toFixed(2)));

export function hostsOf(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((host) => host.trim())
    .filter(Boolean);
}

export function draftOf({ intake: _, duration_s, grace_s, ...rest }: Settings): Draft {
  return {
    ...rest,
    duration_min: minutes(duration_s),
    grace_min: minutes(grace_s),
    listen_timeout_s: String(rest.listen_timeout_s),
    idle_stop_min: String(rest.idle_stop_min),
    disk_limit_mb: String(rest.disk_limit_mb),
    log_limit_mb: String(rest.log_limit_mb),
    pool_size: rest.pool_size === null ? '' : String(rest.pool_size),
    terminal_font_px: String(rest.terminal_font_px),
    terminal_history_mb: String(rest.terminal_history_mb),
    allow_hosts: rest.allow_hosts.join('\n'),
  };
}

export function settingsOf({ duration_min, grace_min, pool_size, ...draft }: Draft, before: Settings): Settings {
  return {
    ...before,
    ...draft,
    docker_host: draft.docker_host.trim(),
    duration_s: Math.round(Number(duration_min) * 60),
    grace_s: Math.round(Number(grace_min) * 60),
    listen_timeout_s: Number(draft.listen_timeout_s),
    idle_stop_min: Number(draft.idle_stop_min),
    disk_limit_mb: Number(draft.disk_limit_mb),
    log_limit_mb: Number(draft.log_limit_mb),
    pool_size: pool_size.trim() === '' ? null : Number(pool_size),
    terminal_font_px: Number(draft.terminal_font_px),
    terminal_history_mb: Number(draft.terminal_history_mb),
    allow_hosts: hostsOf(draft.allow_hosts),
  };
}

export function wrongOf(draft: Draft): Wrong {
  const wrong: Wrong = {};
  for (const [field, [low, high]] of Object.entries(NUMBERS) as [keyof typeof NUMBERS, readonly [number, number]][]) {
    const text = draft[field].trim();
    const value = Number(text);
    const fraction = field === 'duration_min' || field === 'grace_min';
    // Empty: as many as are usual where Slipway runs.
    if (field === 'pool_size' && text === '') continue;
    const fits = text !== '' && Number.isFinite(value) && value >= low && value <= high;
    if (!fits || (!fraction && !Number.isInteger(value))) wrong[field] = t.settings.between(low, high);
  }
  const disk = Number(draft.disk_limit_mb);
  if (disk > 0 && disk < LEAST_DISK_MB) wrong.disk_limit_mb = t.settings.diskWrong;
  const bad = hostsOf(draft.allow_hosts).find((host) => !HOST.test(host));
  if (bad !== undefined) wrong.allow_hosts = t.settings.badHost(bad);
  return wrong;
}

/** Where what is typed has another name than on the wire. */
const TYPED: Record<string, keyof Draft> = { duration_s: 'duration_min', grace_s: 'grace_min' };

/** The field a refusal names, so that it can stand beside it; null where it stands by itself. */
export function problemField({ field }: Problem): keyof Draft | null {
  if (field === undefined) return null;
  const typed = TYPED[field] ?? field;
  return SHOWN.includes(typed) ? (typed as keyof Draft) : null;
}
