// Leases, health, limits, the listing and the form for a new workspace, in the whole window on the fixture.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import type { Workspace } from '../../src/lib/wire';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

let fixture: Fixture;
let app: App;
const user = userEvent.setup();
const FULL = {
  code: 'limit',
  message: 'This machine has 0.9 GB of 16 GB memory left.',
  hint: 'Stop a workspace or close a program.',
  forceable: true,
};

async function open(...workspaces: Workspace[]): Promise<void> {
  for (const workspace of workspaces) fixture.add(workspace);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
}
async function complaints(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}
const leases = () => fixture.called('workspace.lease').map((body) => (body as { change: unknown }).change);
const press = (key: string, shiftKey = false) => fireEvent.keyDown(window, { key, ctrlKey: true, shiftKey });

beforeEach(() => {
  localStorage.clear();
  fixture = new Fixture();
});
afterEach(() => {
  app.stop();
  vi.useRealTimers();
});

describe('the form for a new workspace', () => {
  const path = () => screen.findByTestId('create-path');

  it('opens by keyboard, says what is wrong while typing, and deploys what was typed', async () => {
    await open(data.ready);
    await press('n');
    await user.type(await path(), 'shop.zip');
    expect(await screen.findByText(/The full path/)).toBeTruthy();
    expect(screen.getByTestId<HTMLButtonElement>('deploy').disabled).toBe(true);
    await user.clear(await path());
    await user.type(await path(), '/home/me/shop.zip');
    expect(await screen.findByText('Vite · React · 214 files, 3.1 MB')).toBeTruthy();
    await user.clear(screen.getByTestId('length-amount'));
    await user.type(screen.getByTestId('length-amount'), '2');
    await user.selectOptions(screen.getByTestId('length-unit'), 'days');
    await user.click(screen.getByTestId('env-add'));
    expect(document.activeElement).toBe(screen.getByTestId('env-name'));
    await user.type(screen.getByTestId('env-name'), 'API_KEY');
    await user.type(screen.getByTestId('env-value'), 's3cret');
    expect(screen.getByTestId<HTMLInputElement>('env-value').type).toBe('password');
    expect(await complaints()).toEqual([]);
    await user.click(screen.getByTestId('deploy'));
    await waitFor(() => expect(screen.queryByTestId('create')).toBeNull());
    expect(fixture.called('workspace.deploy')).toMatchObject([
      { source: { kind: 'path', path: '/home/me/shop.zip' }, duration_s: 172_800, env: { API_KEY: 's3cret' } },
    ]);
    expect(app.view.selected).toBe('shop-k3f9');
    expect(document.body.textContent).not.toContain('s3cret');
  });

  it('says why the machine refuses, and goes on all the same when told to', async () => {
    await open(data.ready);
    app.act.create({ kind: 'path', path: '/home/me/shop.zip' });
    await screen.findByText('Vite · React · 214 files, 3.1 MB');
    fixture.answers.set('workspace.deploy', () => {
      throw FULL;
    });
    await user.click(screen.getByTestId('deploy'));
    expect((await screen.findByTestId('refused')).textContent).toContain('0.9 GB of 16 GB');
    fixture.answers.delete('workspace.deploy');
    await user.click(screen.getByTestId('deploy-anyway'));
    await waitFor(() => expect(screen.queryByTestId('create')).toBeNull());
    expect(fixture.called('workspace.deploy').at(-1)).toMatchObject({ force: true });
  });

  it('offers no force for another refusal', async () => {
    await open(data.ready);
    app.act.create({ kind: 'path', path: '/home/me/shop.zip' });
    await screen.findByText('Vite · React · 214 files, 3.1 MB');
    fixture.answers.set('workspace.deploy', () => {
      throw { code: 'limit', message: 'There are 1000 workspaces.', hint: 'Delete one.' };
    });
    await user.click(screen.getByTestId('deploy'));
    expect((await screen.findByTestId('refused')).textContent).toContain('Delete one.');
    expect(screen.queryByTestId('deploy-anyway')).toBeNull();
  });

  it('takes what is dropped on it, and deploys nothing by itself', async () => {
    await open(data.ready);
    await press('n');
    await path();
    const drag = { kind: 'drag' as const, paths: ['/home/me/api.zip'], over: 'ui' as const, x: 900, y: 100 };
    fixture.tell({ ...drag, phase: 'enter' });
    fixture.tell({ ...drag, phase: 'drop' });
    await waitFor(async () => expect((await path()) as HTMLInputElement).toHaveProperty('value', '/home/me/api.zip'));
    expect(screen.queryByTestId('drop-overlay')).toBeNull();
    expect(fixture.called('workspace.deploy')).toEqual([]);
  });

  it('is not needed for a drop on a machine short of room: that asks', async () => {
    await open(data.ready);
    fixture.answers.set('workspace.deploy', () => {
      throw FULL;
    });
    await app.act.deploy(['/home/me/shop.zip']);
    const dialog = await screen.findByTestId('dialog');
    expect(dialog.textContent).toContain('0.9 GB of 16 GB');
    fixture.answers.delete('workspace.deploy');
    await user.click(within(dialog).getByTestId('confirm'));
    await waitFor(() => expect(fixture.called('workspace.deploy').at(-1)).toMatchObject({ force: true }));
  });

  it('asks once for all that was dropped', async () => {
    await open(data.ready);
    fixture.answers.set('workspace.deploy', () => {
      throw FULL;
    });
    await app.act.deploy(['/home/me/shop.zip', '/home/me/api.zip']);
    const dialog = await screen.findByTestId('dialog');
    expect(dialog.textContent).toContain('/home/me/shop.zip\n/home/me/api.zip');
    fixture.answers.delete('workspace.deploy');
    await user.click(within(dialog).getByTestId('confirm'));
    await waitFor(() => expect(fixture.called('workspace.deploy')).toHaveLength(4));
    expect(fixture.called('workspace.deploy').slice(2)).toMatchObject([
      { source: { path: '/home/me/shop.zip' }, force: true },
      { source: { path: '/home/me/api.zip' }, force: true },
    ]);
  });

  it('stays as it was typed when something else is refused late', async () => {
    await open(data.ready);
    await press('n');
    await user.type(await path(), '/home/me/shop.zip');
    for (const name of ['workspace.deploy', 'snapshot.start']) {
      fixture.answers.set(name, () => {
        throw FULL;
      });
    }
    await app.act.deploy(['/home/me/api.zip']);
    const [snapshot] = data.snapshots;
    if (snapshot !== undefined) await app.snapshots.start(snapshot);
    const [first] = await screen.findAllByTestId('notice-act');
    expect(screen.getAllByTestId('notice')).toHaveLength(2);
    fixture.answers.delete('workspace.deploy');
    if (first !== undefined) await user.click(first);
    await waitFor(() =>
      expect(fixture.called('workspace.deploy').at(-1)).toMatchObject({
        source: { path: '/home/me/api.zip' },
        force: true,
      }),
    );
    expect((await path()) as HTMLInputElement).toHaveProperty('value', '/home/me/shop.zip');
  });
});

describe('a lease', () => {
  const choose = async (entry: string) => {
    await user.click(screen.getByTestId('lease-menu'));
    await user.click(await screen.findByTestId(entry));
  };

  it('is extended, shortened, kept, paused and resumed from its menu', async () => {
    await open(data.ready);
    await choose('lease-hour');
    await choose('lease-shorten');
    const [hour, shorter] = leases() as [unknown, { kind: string; seconds: number }];
    expect(hour).toEqual({ kind: 'extend', seconds: 3600 });
    expect(shorter.kind).toBe('set');
    const left = ((data.ready.lease.expires_at_ms ?? 0) - Date.now()) / 1000;
    // Sent a moment ago, on a machine that may be busy.
    expect(shorter.seconds - (left + 3600 - 900)).toBeGreaterThanOrEqual(-1);
    expect(shorter.seconds - (left + 3600 - 900)).toBeLessThan(60);
    await choose('lease-pause');
    await waitFor(() => expect(screen.getByTestId('lease').textContent).toContain('paused'));
    await choose('lease-resume');
    await choose('lease-keep');
    expect(leases().slice(2)).toEqual([{ kind: 'pause' }, { kind: 'resume' }, { kind: 'keep' }]);
    await waitFor(() => expect(screen.getByTestId('lease').textContent).toContain('kept'));
  });

  it('is set to any length, checked while typing', async () => {
    await open(data.ready);
    await choose('lease-set');
    const amount = await screen.findByTestId('length-amount');
    await user.clear(amount);
    await user.type(amount, '31');
    await user.selectOptions(screen.getByTestId('length-unit'), 'days');
    expect(screen.getByText(/At most 30 days/)).toBeTruthy();
    expect(screen.getByTestId<HTMLButtonElement>('confirm').disabled).toBe(true);
    await user.selectOptions(screen.getByTestId('length-unit'), 'minutes');
    expect(screen.getByText(/It is stopped at/)).toBeTruthy();
    expect(await complaints()).toEqual([]);
    await user.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(leases()).toEqual([{ kind: 'set', seconds: 1860 }]));
  });

  it('that is ended can be brought back by one click, where one looks', async () => {
    await open(data.ready);
    await choose('lease-expire');
    await user.click(await screen.findByTestId('confirm'));
    expect(await screen.findByTestId('ended')).toBeTruthy();
    expect(screen.getByTestId('workspace-row').textContent).toContain('gone in');
    await user.click(screen.getByTestId('bring-back'));
    expect(leases()).toEqual([{ kind: 'expire' }, { kind: 'set', seconds: 3600 }]);
    await waitFor(() => expect(screen.queryByTestId('ended')).toBeNull());
  });

  const warn = (text: string, at_ms = Date.now()) =>
    fixture.emit(
      {
        kind: 'message',
        value: { level: 'warning', text, aside: null, hint: null, detail: null, actions: [{ kind: 'extend' }] },
      },
      data.kept.id,
      at_ms,
    );

  it('about to end is said in the window that has the focus, with the way on', async () => {
    vi.spyOn(document, 'hasFocus').mockReturnValue(true);
    await open(data.ready, data.kept);
    warn('This workspace stops in 2 min');
    expect((await screen.findByTestId('notice')).textContent).toContain('portfolio: This workspace stops in 2 min');
    await user.click(screen.getByTestId('notice-act'));
    expect(fixture.called('workspace.lease')).toEqual([{ id: data.kept.id, change: { kind: 'extend', seconds: 900 } }]);
    expect(fixture.called('desktop.notify')).toEqual([]);
  });

  it('about to end is told by the system when nobody is at the window', async () => {
    vi.spyOn(document, 'hasFocus').mockReturnValue(false);
    await open(data.ready, data.kept);
    const at = Date.now();
    warn('This workspace stops in 2 min', at);
    // The tag is the same in every window, so that the system shows it once.
    await waitFor(() =>
      expect(fixture.called('desktop.notify')).toEqual([
        { title: 'Slipway', text: 'portfolio: This workspace stops in 2 min', tag: `${data.kept.id}/${at}` },
      ]),
    );
    expect(screen.queryByTestId('notice')).toBeNull();
    fixture.answers.set('desktop.notify', () => ({ shown: false }));
    warn('This workspace stops in 1 min');
    expect((await screen.findByTestId('notice')).textContent).toContain('1 min');
  });

  it('that was about to end long ago is not said again when the stream catches up', async () => {
    vi.spyOn(document, 'hasFocus').mockReturnValue(true);
    await open(data.kept);
    warn('This workspace stops in 2 min', Date.now() - 60_000);
    await screen.findByText('This workspace stops in 2 min');
    expect(screen.queryByTestId('notice')).toBeNull();
  });
});

describe('health', () => {
  it('that is bad shows in the list, the title and over the page, with the last output', async () => {
    await open(data.unhealthy, data.ready);
    const bar = await screen.findByTestId('health-bar');
    expect(bar.textContent).toContain('port 5173 refuses connections');
    expect(bar.textContent).toContain('2 restarts');
    const [row] = screen.getAllByTestId('workspace-row');
    expect(row?.textContent).toContain('unhealthy');
    expect(screen.getByTestId('state-pill').textContent).toContain('unhealthy');
    await user.click(within(bar).getByText('Show the last output'));
    expect(screen.getByLabelText('Its last output').textContent).toContain('ConnectionRefusedError');
    await user.click(screen.getByTestId('health-restart'));
    expect(fixture.called('workspace.redeploy')).toMatchObject([{ id: data.unhealthy.id, from: 'start' }]);
  });

  it('of a program that crashed shows its output at once, and what happens next', async () => {
    await open(data.crashed);
    expect((await screen.findByTestId('health-bar')).dataset.health).toBe('crashed');
    expect(screen.getByLabelText('Its last output').textContent).toContain("Cannot find module './routes'");
    expect(screen.getByTestId('health-bar').textContent).toContain('started again in a moment');
    expect(await complaints()).toEqual([]);
  });

  it('is told in full from the title, and mended goes away', async () => {
    await open(data.unhealthy);
    await user.click(await screen.findByTestId('state-pill'));
    expect((await screen.findByTestId('health')).textContent).toContain('Start it again after a failure');
    await user.keyboard('{Escape}');
    fixture.put(data.unhealthy.id, { health: { ...data.ready.health } });
    await waitFor(() => expect(screen.queryByTestId('health-bar')).toBeNull());
  });

  it('needs attention where Slipway could not do something', async () => {
    await open(data.stopped);
    const message = `Old-landing (${data.stopped.id}) could not be deleted: the daemon said 500`;
    const warn = (workspace: string) => {
      const warnings = [{ message, hint: 'It goes on trying.', workspace }];
      fixture.emit({ kind: 'engine', value: { ...data.engine, warnings } });
    };
    // A name may look like the id of another.
    warn('another-k3f9');
    await waitFor(() => expect(app.store.engine?.warnings).toHaveLength(1));
    expect(screen.getByTestId('state-pill').textContent).not.toContain('needs attention');
    warn(data.stopped.id);
    expect((await screen.findByTestId('attention')).textContent).toContain('could not be deleted');
    expect(screen.getByTestId('workspace-row').textContent).toContain('needs attention');
    expect(screen.getByTestId('state-pill').textContent).toContain('needs attention');
  });

  it('is not said to be ready while no Docker answers', async () => {
    await open(data.ready);
    const pill = screen.getByTestId('state-pill');
    const before = pill.textContent;
    fixture.emit({ kind: 'engine', value: { ...data.engine, state: 'absent' } });
    await waitFor(() => expect(pill.textContent).toContain('Docker is away'));
    expect(screen.getAllByTestId('workspace-row')[0]?.textContent).toContain('Docker is away');
    fixture.emit({ kind: 'engine', value: data.engine });
    await waitFor(() => expect(pill.textContent).toBe(before));
    fixture.put(data.ready.id, { state: 'stopped' });
    fixture.emit({ kind: 'engine', value: { ...data.engine, state: 'absent' } });
    await waitFor(() => expect(app.store.engine?.state).toBe('absent'));
    expect(pill.textContent).toContain('stopped');
  });

  it('has a restart policy that is chosen in a menu, by keyboard too', async () => {
    await open(data.ready);
    await user.click(screen.getByTestId('workspace-menu'));
    const entry = await screen.findByText('When the program ends');
    entry.closest<HTMLElement>('[role="menuitem"]')?.focus();
    await user.keyboard('{ArrowRight}');
    await user.click(await screen.findByTestId('policy-always'));
    await waitFor(() =>
      expect(fixture.called('workspace.restart-policy')).toEqual([{ id: data.ready.id, policy: 'always' }]),
    );
  });
});

describe('the list', () => {
  it('is filtered by what is typed, and leads to the history from there', async () => {
    await open(...data.all);
    await user.click(screen.getByTestId('filter'));
    // Without a click into the field: it has the focus, and the button has it back.
    await user.keyboard('GRADING');
    expect(screen.getAllByTestId('workspace-row').map((row) => row.dataset.id)).toEqual([data.deploying.id]);
    await user.keyboard('{Escape}');
    expect(document.activeElement).toBe(screen.getByTestId('filter'));
    expect(screen.getAllByTestId('workspace-row')).toHaveLength(data.all.length);
    await user.keyboard('{Enter}no such thing');
    await user.click(screen.getByText(/Look among all/));
    await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId('history-search')));
  });

  it('of all there is and was comes a page at a time, filtered by the engine', async () => {
    await open(...data.all);
    await press('H', true);
    const search = await screen.findByTestId('history-search');
    await screen.findByText('185 workspaces');
    expect(fixture.called('workspace.query')).toMatchObject([
      { limit: 100, deleted: true, sort: 'created', descending: true },
    ]);
    expect(await complaints()).toEqual([]);
    for (let at = 0; at < 12; at += 1) await user.type(search, '{PageDown}');
    await waitFor(() => expect(fixture.called('workspace.query').at(-1)).toMatchObject({ cursor: '100' }));
    await user.type(search, 'portfolio');
    await screen.findByText('1 workspace');
    expect(fixture.called('workspace.query').at(-1)).toMatchObject({ text: 'portfolio' });
    await user.type(search, '{Enter}');
    expect(app.view.selected).toBe(data.kept.id);
    await waitFor(() => expect(screen.queryByTestId('history-search')).toBeNull());
  });

  it('shows what is left of one that was deleted: its log', async () => {
    await open(data.ready);
    app.view.dialog = { kind: 'history' };
    await user.type(await screen.findByTestId('history-search'), 'homework 17');
    await screen.findByText(/11 workspaces/);
    await user.keyboard('{Enter}');
    expect((await screen.findByRole('log', { name: 'Log' })).textContent).toContain('npm ci began');
    expect(app.view.dialog).toEqual({ kind: 'log', id: 'gone-001', name: 'homework 179' });
    expect(app.view.selected).toBe(data.ready.id);
    expect(await complaints()).toEqual([]);
  });
});

describe('what a workspace uses', () => {
  it('is drawn while its tab is in front and not asked for otherwise', async () => {
    await open(data.ready);
    vi.useFakeTimers({ shouldAdvanceTime: true });
    expect(fixture.called('workspace.stats')).toEqual([]);
    await press('M', true);
    const chart = await screen.findByTestId('chart-memory');
    expect(chart.textContent).toMatch(/Memory: \d+ MB now, of 2\.1 GB, at most \d+ MB/);
    expect(screen.getByTestId('chart-cpu').textContent).toContain('no limit');
    const slider = within(chart).getByRole('slider');
    expect(slider.getAttribute('aria-valuetext')).toMatch(/^\d\d:\d\d:\d\d: \d+ MB$/);
    expect(await complaints()).toEqual([]);
    await user.click(screen.getByTestId('tab-logs'));
    await waitFor(() => expect(screen.queryByTestId('metrics')).toBeNull());
    const asked = fixture.called('workspace.stats').length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fixture.called('workspace.stats')).toHaveLength(asked);
  });

  it('of one that never ran is said in words', async () => {
    fixture.readings = [];
    await open(data.stopped);
    app.view.showPanel('metrics');
    await waitFor(() => expect(screen.getByTestId('metrics').textContent).toContain('nothing of the last 15 minutes'));
  });

  it('is limited anew while it runs, and a refusal says why', async () => {
    await open(data.ready);
    app.view.showPanel('metrics');
    await user.click(await screen.findByTestId('change-limits'));
    const memory = await screen.findByLabelText('Memory', { selector: 'input' });
    await user.clear(memory);
    await user.type(memory, '10');
    expect(screen.getByText(/whole number of MiB/)).toBeTruthy();
    await user.clear(memory);
    await user.type(memory, '512');
    expect(await complaints()).toEqual([]);
    fixture.answers.set('workspace.limits', () => {
      throw { code: 'wrong-state', message: 'It uses 600 MiB now.', hint: 'Stop it first.' };
    });
    await user.click(screen.getByTestId('confirm'));
    expect((await screen.findByTestId('refused')).textContent).toContain('It uses 600 MiB now.');
    fixture.answers.delete('workspace.limits');
    await user.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(screen.queryByLabelText('CPU cores')).toBeNull());
    expect(fixture.limits.memory_mb).toBe(512);
  });
});

describe('settings', () => {
  it('show the pool beside its size, and change it', async () => {
    await open(data.ready);
    await user.click(screen.getByTestId('settings'));
    expect((await screen.findByTestId('pool')).textContent).toContain('2 of at most 2 ready');
    expect(screen.getByTestId('pool').textContent).toContain('14 of 17 deploys');
    await user.type(screen.getByLabelText('Containers at most'), '101');
    expect(screen.getByTestId<HTMLButtonElement>('save-settings').disabled).toBe(true);
    await user.clear(screen.getByLabelText('Containers at most'));
    await user.type(screen.getByLabelText('Containers at most'), '5');
    await user.click(screen.getByTestId('save-settings'));
    await waitFor(() => expect(fixture.called('settings.set')).toMatchObject([{ pool_size: 5 }]));
  });
});

describe('snapshots', () => {
  const rows = () => screen.getAllByTestId('snapshot-row');

  it('are taken with a name and a note, and show while they are made', async () => {
    await open(data.ready);
    await user.click(screen.getByTestId('workspace-menu'));
    await user.click(await screen.findByTestId('snapshot'));
    const form = await screen.findByTestId('snapshot-form');
    await user.type(within(form).getByLabelText('Name'), 'before lunch');
    await user.type(within(form).getByLabelText('Note'), 'it works');
    await user.click(screen.getByTestId('confirm'));
    expect(fixture.called('snapshot.create')).toEqual([
      { workspace: data.ready.id, name: 'before lunch', note: 'it works' },
    ]);
    expect((await screen.findAllByTestId('snapshot-row'))[0]?.textContent).toContain('before lunch');
    expect(screen.getByLabelText('Being read in: after upgrade').tagName).toBe('PROGRESS');
    expect(await complaints()).toEqual([]);
  });

  it('for which there is no room are taken all the same when told to', async () => {
    await open(data.ready);
    fixture.answers.set('snapshot.create', () => {
      throw { ...FULL, code: 'disk-full' };
    });
    const taking = app.snapshots.take({ workspace: data.ready.id, note: '' });
    await taking;
    expect((await screen.findByTestId('dialog')).textContent).toContain('nearly full');
    fixture.answers.delete('snapshot.create');
    await user.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(fixture.called('snapshot.create').at(-1)).toMatchObject({ force: true }));
  });

  it('are started, exported, imported and deleted from their list', async () => {
    await open(data.ready);
    app.snapshots.list();
    await waitFor(() => expect(rows()).toHaveLength(4));
    fixture.answers.set('desktop.choose', (body: { kind: string }) => ({ paths: [`/home/me/${body.kind}.snapshot`] }));
    await user.click(screen.getByTestId('snapshot-import'));
    expect(fixture.called('snapshot.import')).toEqual([{ path: '/home/me/snapshot.snapshot' }]);
    await waitFor(() => expect(rows()).toHaveLength(5));
    const row = rows()[2];
    if (row === undefined) throw new Error('no row');
    await user.click(within(row).getByTestId('snapshot-actions'));
    await user.click(await screen.findByTestId('snapshot-export'));
    await waitFor(() => expect(fixture.called('snapshot.export')).toMatchObject([{ path: '/home/me/save.snapshot' }]));
    expect(fixture.called('desktop.choose').at(-1)).toEqual({ kind: 'save', name: 'before upgrade.snapshot' });
    await user.click(within(row).getByTestId('snapshot-actions'));
    await user.click(await screen.findByTestId('snapshot-remove'));
    await user.click(await screen.findByTestId('confirm'));
    await waitFor(() => expect(rows()).toHaveLength(4));
    const [first] = await screen.findAllByTestId('snapshot-start');
    if (first === undefined) throw new Error('nothing to start');
    await user.click(first);
    await waitFor(() => expect(app.view.dialog).toBeNull());
    expect(app.workspace?.name).toBe('from-snapshot');
  });
});
