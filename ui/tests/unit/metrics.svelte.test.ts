// Readings: how they are joined and drawn, and how seldom the engine is asked for them.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { columns, most, READ, roundUp } from '../../src/lib/series';
import { ATTENTION_MS, IDLE_MS, joined, Metrics, SPAN_MS, WATCHED_MS } from '../../src/lib/state/metrics.svelte';
import type { Sample } from '../../src/lib/wire';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

const NOW = 1_800_000_000_000;
const reading = (at_ms: number, change: Partial<Sample> = {}): Sample => ({
  at_ms,
  span_ms: 1000,
  cpu_percent: 5,
  cpu_max_percent: 6,
  memory_bytes: 84e6,
  memory_max_bytes: 85e6,
  processes: 20,
  received_bytes: 500,
  sent_bytes: 2000,
  disk_bytes: null,
  ...change,
});
const every = (count: number, from = NOW, step = 1000) =>
  Array.from({ length: count }, (_, at) => reading(from + at * step));

describe('readings', () => {
  it('are joined in order, each once, and only those of the last quarter of an hour stay', () => {
    const before = every(10);
    const fresh = every(5, NOW + 7000);
    expect(joined(before, fresh).map(({ at_ms }) => (at_ms - NOW) / 1000)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    const late = joined(before, [reading(NOW + SPAN_MS + 5000)]);
    expect(late.map(({ at_ms }) => at_ms - NOW)).toEqual([5000, 6000, 7000, 8000, 9000, SPAN_MS + 5000]);
  });

  it('begin anew when the clock was set back', () => {
    const fresh = every(3, NOW - 2 * SPAN_MS);
    expect(joined(every(10), fresh)).toEqual(fresh);
    const little = every(3, NOW - 60_000);
    expect(joined(every(10), little)).toEqual(little);
  });

  it('from before the clock was set back come before those after it', () => {
    const fresh = [...every(3), ...every(2, NOW - 60_000)];
    expect(joined([], fresh).map(({ at_ms }) => (at_ms - NOW) / 1000)).toEqual([-63, -62, -61, -60, -59]);
    expect(joined(every(1, NOW - 60_000), fresh).map(({ at_ms }) => (at_ms - NOW) / 1000)).toEqual([-60, -59]);
  });

  it('break the line where nothing was measured, and not where it was measured seldom', () => {
    const seldom = every(3, NOW, 15_000).map((sample) => ({ ...sample, span_ms: 15_000 }));
    expect(columns(seldom, [READ.cpu])[1]).toEqual([5, 5, 5]);
    const [times, cpu] = columns([...every(2), ...every(2, NOW + 60_000)], [READ.cpu]);
    expect(cpu).toEqual([5, 5, null, 5, 5]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('of the network are rates, whatever the span', () => {
    const [, received, sent] = columns(
      [reading(NOW, { span_ms: 15_000, received_bytes: 30_000 })],
      [READ.received, READ.sent],
    );
    expect([received?.[0], Math.round(sent?.[0] ?? 0)]).toEqual([2000, 133]);
  });

  it('reach to the next round figure', () => {
    expect([0, 9, 41, 149e6, 1.51].map((value) => roundUp(value, 1))).toEqual([1, 10, 50, 150e6, 2]);
    expect(most([null, 3, 9, null])).toBe(9);
    expect(most([null])).toBeNull();
  });
});

describe('the engine', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const start = (running = true) => {
    const fixture = new Fixture();
    fixture.add(data.ready);
    const metrics = new Metrics(fixture);
    const stop = metrics.watch(data.ready.id, running);
    const asked = () => fixture.called('workspace.stats') as { since_s: number }[];
    return { fixture, metrics, stop, asked };
  };

  it('is asked for the whole history once, then each second for what is new', async () => {
    const { metrics, stop, asked } = start();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked()).toMatchObject([{ since_s: 900 }]);
    const had = metrics.samples.length;
    await vi.advanceTimersByTimeAsync(3 * WATCHED_MS);
    expect(asked()).toHaveLength(4);
    expect(
      Math.max(
        ...asked()
          .slice(1)
          .map(({ since_s }) => since_s),
      ),
    ).toBeLessThan(10);
    expect(metrics.samples.length).toBeGreaterThanOrEqual(had);
    expect(metrics.live).toBe(true);
    stop();
    expect(vi.getTimerCount()).toBe(0);
    expect(metrics.live).toBe(false);
  });

  it('is asked for the whole history again when the clock was set back', async () => {
    const { fixture, metrics, stop, asked } = start();
    await vi.advanceTimersByTimeAsync(WATCHED_MS);
    fixture.answers.set('workspace.stats', () => data.stats(data.ready.id, every(3, NOW - 60_000), true));
    await vi.advanceTimersByTimeAsync(2 * WATCHED_MS);
    expect(asked().at(-1)).toMatchObject({ since_s: 900 });
    expect(metrics.samples.at(-1)?.at_ms).toBe(NOW - 58_000);
    stop();
  });

  it('is asked seldom when nobody moves, at once when somebody comes, and never while the window is hidden', async () => {
    const { metrics, stop, asked } = start();
    await vi.advanceTimersByTimeAsync(ATTENTION_MS + IDLE_MS);
    const before = asked().length;
    await vi.advanceTimersByTimeAsync(4 * IDLE_MS);
    expect(asked()).toHaveLength(before + 4);
    expect(metrics.live).toBe(false);
    window.dispatchEvent(new Event('keydown'));
    await vi.advanceTimersByTimeAsync(WATCHED_MS);
    expect(asked().length).toBeGreaterThan(before + 4);
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    document.dispatchEvent(new Event('visibilitychange'));
    const hidden = asked().length;
    await vi.advanceTimersByTimeAsync(20 * IDLE_MS);
    expect(asked()).toHaveLength(hidden);
    stop();
  });

  it('is asked once for what does not run', async () => {
    const { stop, asked } = start(false);
    await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
    expect(asked()).toHaveLength(1);
    stop();
  });

  it('that refuses is quoted, and asked again', async () => {
    const { fixture, metrics, stop } = start();
    fixture.answers.set('workspace.stats', () => {
      throw { code: 'agent-lost', message: 'It does not answer.' };
    });
    await vi.advanceTimersByTimeAsync(WATCHED_MS);
    expect(metrics.problem?.message).toBe('It does not answer.');
    fixture.answers.delete('workspace.stats');
    await vi.advanceTimersByTimeAsync(WATCHED_MS);
    expect(metrics.problem).toBeNull();
    stop();
  });

  it('is never asked about a workspace that is no longer in front', async () => {
    const { fixture, metrics, stop } = start();
    await vi.advanceTimersByTimeAsync(0);
    stop();
    const end = metrics.watch('other', true);
    expect(metrics.samples).toEqual([]);
    await vi.advanceTimersByTimeAsync(5 * WATCHED_MS);
    const late = fixture.calls.slice(-4).filter(({ name }) => name === 'workspace.stats');
    expect(late.every(({ body }) => (body as { id: string }).id === 'other')).toBe(true);
    end();
  });
});
