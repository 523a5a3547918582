// A workspace and its folder kept in step: what is offered, shown, switched and said.
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commands, usable } from '../../src/lib/commands';
import { App } from '../../src/lib/state/app.svelte';
import type { LiveSync, SyncChange } from '../../src/lib/wire';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

const DIR = '/home/me/shop';
let fixture: Fixture;
let app: App;
const user = userEvent.setup();

async function open(workspace = { ...data.ready, folder: DIR as string | undefined }): Promise<void> {
  fixture.add(workspace);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
}
const tell = (change: Partial<LiveSync>) =>
  fixture.emit(
    {
      kind: 'sync',
      value: data.sync({ workspace: data.ready.id, dir: DIR, root: null, both: false, once: false }, change),
    },
    data.ready.id,
  );
const pill = () => screen.findByTestId('sync-pill');
const change = (seq: number, path: string, act: SyncChange['act'], detail: string | null = null): SyncChange => ({
  seq,
  at_ms: data.NOW,
  path,
  inward: true,
  act,
  detail,
});
const run = (id: string) => commands(app).find((command) => command.id === id);

beforeEach(() => {
  localStorage.clear();
  fixture = new Fixture();
});
afterEach(() => app.stop());

describe('a workspace made of a folder', () => {
  it('is kept in step by one switch, inward, and let go by it', async () => {
    await open();
    expect((await pill()).dataset.sync).toBe('off');
    await user.click(await pill());
    await user.click(await screen.findByTestId('sync-switch'));
    expect(fixture.called('sync.start')).toEqual([
      { workspace: data.ready.id, dir: DIR, root: null, both: false, once: false },
    ]);
    await waitFor(async () => expect((await pill()).textContent).toContain('in step'));
    await user.click(screen.getByTestId('sync-switch'));
    expect(fixture.called('sync.stop')).toEqual([{ id: `sync-${data.ready.id}` }]);
    await waitFor(async () => expect((await pill()).dataset.sync).toBe('off'));
  });

  it('goes both ways only after a question that names the folder', async () => {
    await open();
    tell({});
    await user.click(await pill());
    await user.click(await screen.findByTestId('sync-both'));
    expect(fixture.called('sync.start')).toEqual([]);
    expect((await screen.findByTestId('dialog')).textContent).toContain(DIR);
    await user.click(screen.getByTestId('confirm'));
    expect(fixture.called('sync.start')).toEqual([
      { workspace: data.ready.id, dir: DIR, root: null, both: true, once: false },
    ]);
  });

  it('says while it is deployed that it can be kept in step', async () => {
    await open({ ...data.deploying, folder: DIR });
    fireEvent.click(await screen.findByTestId('sync-offer'));
    await waitFor(() => expect(fixture.called('sync.start')).toHaveLength(1));
  });
});

describe('what is shown of a sync', () => {
  it('is where it stands, what it waits for, and a way on when it halted', async () => {
    await open();
    tell({ state: 'syncing', waiting: 12 });
    await waitFor(async () => expect((await pill()).textContent).toContain('carrying 12'));
    tell({ state: 'waiting', problem: { code: 'wrong-state', message: 'The workspace is being deployed.' } });
    await waitFor(async () => expect((await pill()).textContent).toContain('waiting'));
    await user.click(await pill());
    expect((await screen.findByTestId('sync-details')).textContent).toContain('The workspace is being deployed.');
    tell({
      state: 'halted',
      both: true,
      problem: { code: 'wrong-state', message: 'The folder is empty all at once.', hint: 'Start it again.' },
    });
    const again = await screen.findByTestId('sync-again');
    expect(screen.getByTestId('sync-details').textContent).toContain('Start it again.');
    expect((await axe.run(screen.getByTestId('sync-details'))).violations).toEqual([]);
    await user.click(again);
    expect(fixture.called('sync.start')).toEqual([
      { workspace: data.ready.id, dir: DIR, root: null, both: true, once: false },
    ]);
  });

  it('is what was carried, also when each event tells only what is new', async () => {
    await open();
    tell({ recent: [change(1, 'src/a.js', 'written')] });
    tell({ recent: [change(2, 'src/b.js', 'conflict', 'src/b.sync-conflict-1.js')], conflicts: 1 });
    tell({ recent: [], left_out: [change(3, 'huge.bin', 'left-out', 'it is larger than a file may be')] });
    await user.click(await pill());
    const text = (await screen.findByTestId('sync-details')).textContent;
    expect(text).toContain('src/a.js');
    expect(text).toContain("the workspace's is kept as src/b.sync-conflict-1.js");
    expect(text).toContain('it is larger than a file may be');
  });
});

describe('the commands', () => {
  it('fit what there is', async () => {
    await open({ ...data.ready, folder: undefined });
    const usableOnes = () =>
      commands(app)
        .filter(usable)
        .map(({ id }) => id);
    await waitFor(() => expect(usableOnes()).toContain('sync-choose'));
    expect(usableOnes()).not.toContain('sync-start');
    expect(screen.queryByTestId('sync-pill')).toBeNull();
    fixture.answers.set('desktop.choose', () => ({ paths: ['/home/me/chosen'] }));
    run('sync-choose')?.run();
    await waitFor(() => expect(usableOnes()).toContain('sync-stop'));
    expect(app.store.syncs[0]?.dir).toBe('/home/me/chosen');
    run('sync-stop')?.run();
    await waitFor(() => expect(usableOnes()).not.toContain('sync-stop'));
  });
});
