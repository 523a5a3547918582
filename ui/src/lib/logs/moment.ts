// A moment as a person types it: `12:01`, `12:01:30`, `2026-09-18`, `2026-09-18 12:01`. In this machine's own time.

const MOMENT = /^(?:(\d{4})-(\d{1,2})-(\d{1,2}))?(?:[ T]*(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/;

/** Unix milliseconds; null: nothing was typed; undefined: it is no moment. A time alone is the last one of that name. */
export function momentOf(text: string, now: number): number | null | undefined {
  const typed = text.trim();
  if (typed === '') return null;
  const match = MOMENT.exec(typed);
  if (match === null) return undefined;
  const [year, month, day, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const at = new Date(now);
  if (year !== undefined && month !== undefined && day !== undefined) {
    at.setFullYear(year, month - 1, day);
    if (at.getMonth() !== month - 1) return undefined;
  }
  at.setHours(hour, minute, second, 0);
  if (year === undefined && at.getTime() > now) at.setDate(at.getDate() - 1);
  return at.getTime();
}

/** The same back: a time where it was within a day, otherwise with its date. */
export function typedOf(unixMs: number | null, now: number): string {
  if (unixMs === null) return '';
  const at = new Date(unixMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}${at.getSeconds() > 0 ? `:${two(at.getSeconds())}` : ''}`;
  if (unixMs <= now && momentOf(time, now) === unixMs) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
