// The engine's listing, page by page.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Listing, type Wanted } from '../../src/parts/dialogs/listing.svelte';
import { Fixture } from '../fixture/backend';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('asks for no further page of a question that was replaced', async () => {
  const fixture = new Fixture();
  const listing = new Listing(fixture);
  fixture.answers.set('workspace.query', () => ({ rows: [], total: 300, next: 'page-2' }));
  listing.ask({ text: 'a' } as Wanted);
  await vi.advanceTimersByTimeAsync(200);
  fixture.answers.set('workspace.query', () => {
    throw { code: 'storage', message: 'not now' };
  });
  listing.ask({ text: 'b' } as Wanted);
  await vi.advanceTimersByTimeAsync(200);
  expect(listing.problem?.message).toBe('not now');
  listing.more();
  await vi.advanceTimersByTimeAsync(0);
  expect(fixture.called('workspace.query')).toHaveLength(2);
});
