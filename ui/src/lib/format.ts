// Durations, sizes and times as people read them, in the system's language. Pure functions: now is handed in.

const SIZES = ['B', 'KB', 'MB', 'GB', 'TB'];
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

function number(value: number, digits: number): string {
  return value.toLocaleString(undefined, { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

/** `18 ms`, `0.94 s`, `6.2 s`, `1 min 04 s`. */
export function elapsed(ms: number): string {
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < 1000) return `${number(ms / 1000, 2)} s`;
  if (ms < 60_000) return `${number(ms / 1000, 1)} s`;
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** Below this, what is left is counted in seconds. */
const CLOSE_MS = 180_000;

/** `57 min`, `1 h 04 min`, `3 d 4 h`, and from three minutes on `02:59`: what is left. Never negative. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  const two = (value: number) => String(value).padStart(2, '0');
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  if (ms >= CLOSE_MS) return `${minutes} min`;
  return `${two(minutes)}:${two(seconds % 60)}`;
}

/** Milliseconds until `countdown` says something else. */
export function countdownLasts(ms: number): number {
  if (ms < 0) return Number.POSITIVE_INFINITY;
  const unit = ms >= 86_400_000 ? 3_600_000 : ms >= CLOSE_MS ? 60_000 : 1000;
  // The text changes when the unit's last millisecond is over, not when it begins.
  return (ms % unit) + 1;
}

/** `0 s`, `42 s`, `59 min`, `3 h`, `2 d`: how long ago, in one word. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `84 MB`, `3.1 MB`, `212 B`: powers of 1,000, as file managers count. */
export function bytes(value: number): string {
  let [rest, at] = [value, 0];
  while (rest >= 999.5 && at < SIZES.length - 1) {
    rest /= 1000;
    at += 1;
  }
  return `${number(rest, at > 0 && rest < 10 ? 1 : 0)} ${SIZES[at]}`;
}

/** `12:01:58`. */
export function timeOfDay(unixMs: number): string {
  return clock.format(unixMs);
}

const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});

/** `12:01` on the same day, `Fri, 18 Sep, 12:01` on another. */
export function whenOf(unixMs: number, now: number): string {
  const same = new Date(unixMs).toDateString() === new Date(now).toDateString();
  return (same ? minute : day).format(unixMs);
}

/** `12:01`. */
export function minuteOfDay(unixMs: number): string {
  return minute.format(unixMs);
}

/** A whole number with separators. */
export function count(value: number): string {
  return value.toLocaleString();
}

/** Seconds as `30 min`, `2 h`, `1 d`: for settings. */
export function span(seconds: number): string {
  if (seconds % 86_400 === 0) return `${seconds / 86_400} d`;
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds % 60 === 0) return `${seconds / 60} min`;
  return `${seconds} s`;
}
