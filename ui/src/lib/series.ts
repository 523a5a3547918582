// Readings as columns for a chart: one time axis, a value or a hole for each reading. Pure; no drawing.
import type { Sample } from './wire';

/** Times in Unix seconds, then one column for each line; null is a hole. */
export type Columns = [number[], ...(number | null)[][]];
export type Reading = (sample: Sample) => number | null;

/** More than this many times the longer of two spans between them, and nothing was measured in between. */
const HOLE = 2.5;

/** A line breaks where nothing was measured: paused, asleep, stopped. */
export function columns(samples: Sample[], readings: Reading[]): Columns {
  const times: number[] = [];
  const values: (number | null)[][] = readings.map(() => []);
  let before: Sample | null = null;
  for (const sample of samples) {
    if (before !== null) {
      const apart = sample.at_ms - before.at_ms;
      if (apart > HOLE * Math.max(1000, sample.span_ms, before.span_ms)) {
        times.push((before.at_ms + sample.at_ms) / 2000);
        for (const column of values) column.push(null);
      }
    }
    times.push(sample.at_ms / 1000);
    readings.forEach((read, at) => {
      values[at]?.push(read(sample));
    });
    before = sample;
  }
  return [times, ...values];
}

export const READ = {
  cpu: (sample: Sample) => sample.cpu_percent,
  memory: (sample: Sample) => sample.memory_bytes,
  processes: (sample: Sample) => sample.processes,
  disk: (sample: Sample) => sample.disk_bytes,
  received: (sample: Sample) => (sample.received_bytes * 1000) / Math.max(1, sample.span_ms),
  sent: (sample: Sample) => (sample.sent_bytes * 1000) / Math.max(1, sample.span_ms),
} satisfies Record<string, Reading>;

/** The highest value of a column; null when there is none. */
export function most(column: (number | null)[] | undefined): number | null {
  let high: number | null = null;
  for (const value of column ?? []) if (value !== null && (high === null || value > high)) high = value;
  return high;
}

const STEPS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

/** The end of a scale: the next round figure, never below `least`. */
export function roundUp(value: number, least: number): number {
  const wanted = Math.max(value, least);
  if (wanted <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return (STEPS.find((step) => step * unit >= wanted * 0.999) ?? 10) * unit;
}
