import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Feed } from '../../src/lib/state/feed.svelte';
import { messageKey, Store } from '../../src/lib/state/store.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

const id = data.ready.id;
let fixture: Fixture;
let store: Store;
let feed: Feed;

beforeEach(() => {
  fixture = new Fixture();
  fixture.add(data.ready);
  store = new Store();
  feed = new Feed(fixture, store);
});
afterEach(() => {
  feed.stop();
  vi.useRealTimers();
});

describe('the feed', () => {
  it('never lets a list overwrite an event that is newer', async () => {
    const old = [...fixture.workspaces];
    let answer: (list: typeof old) => void = () => {};
    fixture.answers.set('workspace.list', () => new Promise<typeof old>((resolve) => (answer = resolve)));
    const started = feed.start();
    await vi.waitFor(() => expect(fixture.called('workspace.list')).toHaveLength(1));
    fixture.put(id, { name: 'renamed meanwhile' });
    answer(old);
    await started;
    expect(store.workspace(id)?.name).toBe('renamed meanwhile');
    expect(feed.link).toBe('live');
  });

  it('reads everything again after a gap, rooms too', async () => {
    await feed.start();
    await feed.openRoom(id);
    fixture.workspaces = [{ ...data.ready, name: 'told by no event' }];
    fixture.egress.set(id, []);
    fixture.emit({ kind: 'gap' });
    await vi.waitFor(() => expect(store.workspace(id)?.name).toBe('told by no event'));
    await vi.waitFor(() => expect(store.room(id)?.egress).toEqual([]));
  });

  it('forgets a workspace that went while it was not listening', async () => {
    await feed.start();
    fixture.workspaces = [];
    fixture.emit({ kind: 'gap' });
    await vi.waitFor(() => expect(store.workspaces).toEqual([]));
  });

  it('comes back by itself after the stream was lost, and says so meanwhile', async () => {
    vi.useFakeTimers();
    await feed.start();
    fixture.lose();
    expect(feed.link).toBe('lost');
    await vi.advanceTimersByTimeAsync(600);
    expect(feed.link).toBe('live');
    fixture.put(id, { name: 'after' });
    expect(store.workspace(id)?.name).toBe('after');
  });

  it('is not live when the stream was lost while the lists were read', async () => {
    vi.useFakeTimers();
    let answer: (list: unknown) => void = () => {};
    fixture.answers.set('workspace.list', () => new Promise((resolve) => (answer = resolve)));
    const started = feed.start();
    await vi.advanceTimersByTimeAsync(0);
    fixture.lose();
    fixture.answers.clear();
    answer([...fixture.workspaces]);
    await started;
    expect(feed.link).not.toBe('live');
    expect(feed.problem?.message).toBe('the stream ended');
    await vi.advanceTimersByTimeAsync(600);
    expect(feed.link).toBe('live');
    expect(feed.problem).toBeNull();
  });

  it('that is stopped while it connects leaves no stream open', async () => {
    const close = vi.fn();
    let opened: (close: () => void) => void = () => {};
    vi.spyOn(fixture, 'events').mockReturnValue(new Promise((resolve) => (opened = resolve)));
    const started = feed.start();
    feed.stop();
    opened(close);
    await started;
    expect(close).toHaveBeenCalledOnce();
    expect(fixture.called('workspace.list')).toEqual([]);
  });

  it('keeps trying while nothing answers, with longer waits', async () => {
    vi.useFakeTimers();
    fixture.answers.set('workspace.list', () => {
      throw { code: 'internal', message: 'not yet' };
    });
    await feed.start();
    expect(feed.problem?.message).toBe('not yet');
    await vi.advanceTimersByTimeAsync(500 + 1000 + 2000 + 50);
    expect(fixture.called('workspace.list')).toHaveLength(4);
    fixture.answers.clear();
    await vi.advanceTimersByTimeAsync(5000);
    expect(feed.link).toBe('live');
  });
});

describe('the store', () => {
  it('merges messages read late with those that came early, once each', () => {
    const rows = data.messages(id).map(({ seq, at_ms, body }) => {
      if (body.kind !== 'message') throw new Error('only messages here');
      return { seq, at_ms, message: body.value };
    });
    store.putMessages(id, rows.slice(3));
    store.putMessages(id, rows);
    expect(store.room(id)?.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('tells messages of two owners apart that have the same number, in the order of their time', () => {
    const say = (text: string, seq: number, at_ms: number) => ({
      seq,
      at_ms,
      message: { level: 'info' as const, text, aside: null, hint: null, detail: null, actions: [] },
    });
    // The second owner counts from one again.
    const read = [say('deployed', 7, 100), say('adopted', 2, 200), say('ready', 7, 300)];
    store.putMessages(id, [say('ready', 7, 300)]);
    store.putMessages(id, read);
    store.putMessages(id, [say('stopped', 3, 400)]);
    const shown = store.room(id)?.messages ?? [];
    expect(shown.map(({ message }) => message.text)).toEqual(['deployed', 'adopted', 'ready', 'stopped']);
    expect(new Set(shown.map(messageKey)).size).toBe(4);
  });

  it('is bounded', () => {
    for (let seq = 0; seq < 2100; seq += 1) {
      const message = { level: 'info' as const, text: 'x', aside: null, hint: null, detail: null, actions: [] };
      store.putMessages(id, [{ seq, at_ms: 0, message }]);
    }
    expect(store.room(id)?.messages).toHaveLength(2000);
    expect(store.room(id)?.messages[0]?.seq).toBe(100);
  });

  it('drops what is told to be deleted', () => {
    store.putWorkspace(data.ready);
    store.putWorkspace({ ...data.ready, state: 'deleted' });
    expect(store.workspaces).toEqual([]);
  });
});
