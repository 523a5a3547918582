// What the window does by itself while nobody does anything: how seldom it wakes, and that it is right when it does.
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { countdown, countdownLasts } from '../../src/lib/format';
import { clock } from '../../src/lib/state/clock.svelte';
import { leaseEnding, leaseLasts, leaseWord } from '../../src/lib/state/facts';
import { ATTENTION_MS, HISTORY_MS, IDLE_MS, UsageMeter, WATCHED_MS } from '../../src/lib/state/usage.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

function visible(state: DocumentVisibilityState): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('what is left of a lease', () => {
  it.each([90_061_000, 86_400_000, 3_849_123, 200_000, 180_000, 179_999, 59_500, 0])(
    'of %d ms is shown as long as it stays true, and not longer',
    (ms) => {
      const lasts = countdownLasts(ms);
      expect(countdown(ms - lasts + 1)).toBe(countdown(ms));
      expect(lasts > ms || countdown(ms - lasts) !== countdown(ms)).toBe(true);
    },
  );
  it('that is over changes no more', () => expect(countdownLasts(-1)).toBe(Number.POSITIVE_INFINITY));

  it('turns to its warning colour in time, between two minutes', () => {
    const now = Date.now();
    const workspace = { ...data.ready, lease: { expires_at_ms: now + 340_500, duration_s: 3300 } };
    const lasts = leaseLasts(workspace, now);
    expect(lasts).toBe(10_501);
    expect([leaseEnding(workspace, now + lasts - 1), leaseEnding(workspace, now + lasts)]).toEqual([false, true]);
    expect(leaseWord(workspace, now)).toBe(leaseWord(workspace, now + lasts));
  });

  it('of one that stopped needs no clock', () => {
    expect(leaseLasts({ ...data.ready, state: 'stopped' }, Date.now())).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the clock', () => {
  it('wakes when what is shown changes, not in between, and not while hidden', () => {
    const workspace = { ...data.ready, lease: { expires_at_ms: Date.now() + 3_432_500, duration_s: 3600 } };
    const words: string[] = [];
    const end = $effect.root(() => {
      $effect(() => {
        words.push(leaseWord(workspace, clock.now));
      });
    });
    const stop = clock.start();
    const leave = clock.follow((now) => leaseLasts(workspace, now));
    flushSync();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    vi.advanceTimersByTime(120_000);
    flushSync();
    expect([...new Set(words)]).toEqual(['57 min', '55 min']);
    expect(timers).toHaveBeenCalledTimes(2);
    visible('hidden');
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(600_000);
    visible('visible');
    flushSync();
    expect(words.at(-1)).toBe('45 min');
    leave();
    stop();
    end();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the usage figures', () => {
  const start = (cpu = [5, 25]) => {
    const fixture = new Fixture();
    const meter = new UsageMeter(fixture);
    fixture.cpu = cpu;
    return { meter, stop: meter.watch(data.ready.id), reads: () => fixture.called('workspace.usage').length };
  };

  it('are read often while somebody is there, seldom when nobody is, and at once when somebody comes', async () => {
    const { stop, reads } = start();
    await vi.advanceTimersByTimeAsync(ATTENTION_MS - 1);
    expect(reads()).toBe(ATTENTION_MS / WATCHED_MS);
    await vi.advanceTimersByTimeAsync(WATCHED_MS + IDLE_MS);
    const before = reads();
    await vi.advanceTimersByTimeAsync(4 * IDLE_MS);
    expect(reads()).toBe(before + 4);
    await vi.advanceTimersByTimeAsync(IDLE_MS / 2);
    window.dispatchEvent(new Event('pointermove'));
    await vi.advanceTimersByTimeAsync(0);
    expect(reads()).toBe(before + 5);
    window.dispatchEvent(new Event('pointermove'));
    await vi.advanceTimersByTimeAsync(WATCHED_MS - 1);
    expect(reads()).toBe(before + 5);
    stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are read seldomer still while they stay the same, and often again when somebody comes', async () => {
    const { stop, reads } = start([3]);
    await vi.advanceTimersByTimeAsync(ATTENTION_MS + 8 * IDLE_MS);
    const before = reads();
    await vi.advanceTimersByTimeAsync(12 * IDLE_MS);
    expect(reads()).toBe(before + 3);
    window.dispatchEvent(new Event('keydown'));
    await vi.advanceTimersByTimeAsync(ATTENTION_MS - 1);
    expect(reads()).toBe(before + 3 + ATTENTION_MS / WATCHED_MS);
    stop();
  });

  it('are not read while the window is hidden', async () => {
    const { stop, reads } = start();
    await vi.advanceTimersByTimeAsync(0);
    visible('hidden');
    await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
    expect(reads()).toBe(1);
    visible('visible');
    await vi.advanceTimersByTimeAsync(0);
    expect(reads()).toBe(2);
    stop();
  });

  it('draw no more than the time the line covers', async () => {
    const { meter, stop } = start();
    for (let n = 0; n < 60; n += 1) {
      window.dispatchEvent(new Event('keydown'));
      await vi.advanceTimersByTimeAsync(WATCHED_MS);
    }
    expect(meter.cpu).toHaveLength(HISTORY_MS / WATCHED_MS + 1);
    stop();
  });
});
