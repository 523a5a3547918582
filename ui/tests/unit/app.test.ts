// The whole window on the fixture: what a person does and sees.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PageChord } from '../../src/lib/backend';
import { App } from '../../src/lib/state/app.svelte';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

let fixture: Fixture;
let app: App;
const user = userEvent.setup();

async function open(...workspaces: (typeof data.all)[number][]): Promise<void> {
  for (const workspace of workspaces) fixture.add(workspace);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
}
const rows = () => screen.getAllByTestId('workspace-row').map((row) => row.dataset.id);

beforeEach(() => {
  localStorage.clear();
  fixture = new Fixture();
});
afterEach(() => app.stop());

describe('an empty window', () => {
  it('offers a file, a folder and three samples', async () => {
    await open();
    expect(await screen.findByText('Drop a zip or a folder')).toBeTruthy();
    expect(screen.getAllByTestId('sample')).toHaveLength(3);
    await user.click(screen.getByText('Flask'));
    expect(fixture.called('workspace.deploy')).toEqual([
      { source: { kind: 'sample', name: 'flask' }, env: {}, replace: undefined },
    ]);
  });

  it('without an engine says where it looked and what to do', async () => {
    fixture.engine = data.noEngine;
    await open();
    expect((await screen.findByTestId('error-title')).textContent).toBe('No Docker engine answers');
    expect(screen.getByText('unix:///run/user/1000/podman/podman.sock')).toBeTruthy();
    fixture.emit({ kind: 'engine', value: data.engine });
    expect(await screen.findByText('Drop a zip or a folder')).toBeTruthy();
    expect(screen.getByTestId('engine-status').textContent).toContain('Docker 29.1 · strict');
  });

  it('deploys what the command line named', async () => {
    fixture.start = { ...fixture.start, open: ['/home/me/a.zip', '/home/me/b'] };
    await open();
    await waitFor(() => expect(rows()).toHaveLength(2));
  });
});

describe('a drop', () => {
  const drag = (phase: 'enter' | 'over' | 'leave' | 'drop', x: number, paths = ['/home/me/shop.zip']) =>
    fixture.tell({ kind: 'drag', phase, paths, over: 'ui', x, y: 100 });

  it('on the left makes a workspace and brings it in front', async () => {
    await open(data.ready);
    drag('enter', 10);
    expect(await screen.findByTestId('drop-overlay')).toBeTruthy();
    expect(await screen.findByText('Vite · React · 214 files, 3.1 MB')).toBeTruthy();
    drag('drop', 10);
    await waitFor(() => expect(rows()).toEqual(['shop-k3f9', data.ready.id]));
    expect(app.view.selected).toBe('shop-k3f9');
    expect(screen.queryByTestId('drop-overlay')).toBeNull();
  });

  it('on the right replaces the files of the one in front', async () => {
    await open(data.ready);
    drag('enter', 1000);
    drag('drop', 1000);
    await waitFor(() => expect(fixture.called('workspace.deploy')).toMatchObject([{ replace: data.ready.id }]));
  });

  it('of several makes several, wherever it falls', async () => {
    await open(data.ready);
    drag('enter', 1000, ['/a.zip', '/b.zip']);
    drag('drop', 1000, ['/a.zip', '/b.zip']);
    await waitFor(() => expect(rows()).toHaveLength(3));
  });

  it('of something wrong gets one sentence and changes nothing', async () => {
    await open(data.ready);
    fixture.answers.set('workspace.deploy', () => {
      throw { code: 'refused', message: 'That is a PDF, not a zip.', hint: 'Drop a zip or a folder.' };
    });
    fixture.answers.set('intake.inspect', () => {
      throw { code: 'refused', message: 'That is a PDF, not a zip.' };
    });
    drag('enter', 10, ['/invoice.pdf']);
    await waitFor(() => expect(screen.getByTestId('drop-zone-new').textContent).toContain('That is a PDF, not a zip.'));
    expect(screen.getByTestId('drop-zone-new').textContent).not.toContain('sealed container');
    drag('drop', 10, ['/invoice.pdf']);
    expect((await screen.findByTestId('notice')).textContent).toContain('That is a PDF, not a zip.');
    expect(rows()).toEqual([data.ready.id]);
  });

  it('that leaves goes away', async () => {
    await open(data.ready);
    drag('enter', 10);
    await screen.findByTestId('drop-overlay');
    drag('leave', 10);
    await waitFor(() => expect(screen.queryByTestId('drop-overlay')).toBeNull());
  });
});

describe('a deploy', () => {
  it('shows its phases with times, its progress, and can be cancelled', async () => {
    await open(data.deploying);
    expect(screen.getByTestId('phase-image').dataset.state).toBe('running');
    expect(screen.getByTestId('phase-check').textContent).toContain('4 ms');
    expect(screen.queryByTestId('phase-build')).toBeNull();
    expect(screen.getByText('31 MB of 53 MB')).toBeTruthy();
    await user.click(screen.getByTestId('cancel-deploy'));
    expect(fixture.called('workspace.cancel')).toEqual([{ id: data.deploying.id }]);
  });

  it('that failed shows why and runs again with another command', async () => {
    await open(data.failed);
    expect(screen.getByTestId('error-title').textContent).toBe('npm install could not find a package');
    expect(screen.getByTestId('state-pill').dataset.state).toBe('failed');
    const field = screen.getByTestId('retry-command') as HTMLInputElement;
    expect(field.value).toBe('npm install');
    await fireEvent.input(field, { target: { value: 'npm install --force' } });
    await user.click(screen.getByTestId('retry'));
    expect(fixture.called('workspace.redeploy')).toEqual([
      { id: data.failed.id, from: 'install', command: 'npm install --force' },
    ]);
    expect(await screen.findByTestId('cancel-deploy')).toBeTruthy();
  });

  it('that is ready loads its page and places it', async () => {
    await open(data.deploying);
    expect(fixture.called('desktop.preview-load')).toEqual([]);
    fixture.put(data.deploying.id, {
      state: 'running',
      ready_ms: 940,
      url: 'http://80-grading-api-k3f9.localhost:7080/',
      phases: data.phases('end'),
    });
    await screen.findByTestId('preview-pane');
    expect(fixture.called('desktop.preview-load')).toEqual([{ url: 'http://80-grading-api-k3f9.localhost:7080/' }]);
    expect(screen.getByTestId('state-pill').textContent).toContain('ready in 0.94 s');
  });

  it('that is paused says so and can be resumed', async () => {
    await open(data.paused);
    expect(screen.getByTestId('state-pill').textContent).toContain('paused');
    await user.click(screen.getByTestId('resume'));
    expect(fixture.called('workspace.lease')).toEqual([{ id: data.paused.id, change: { kind: 'resume' } }]);
  });

  it('that is stopped can be started again', async () => {
    await open(data.stopped);
    await user.click(screen.getByTestId('start-again'));
    expect(fixture.called('workspace.start')).toEqual([{ id: data.stopped.id }]);
  });
});

describe('messages', () => {
  it('ask about a host and show what was decided', async () => {
    await open(data.ready);
    const ask = await screen.findByTestId('ask');
    expect(screen.getByTestId('tab-network').textContent).toContain('1');
    await user.click(within(ask).getByText('Block'));
    expect(fixture.called('network.decide')).toEqual([
      { id: data.ready.id, host: 'api.stripe.com', allow: false, once: false },
    ]);
    await waitFor(() => expect(screen.queryByTestId('ask')).toBeNull());
    expect(screen.getByText('blocked')).toBeTruthy();
  });

  it('show what a workspace says as text, never as markup', async () => {
    await open(data.ready);
    await screen.findAllByTestId('message');
    const message = {
      level: 'error' as const,
      text: '<img src=x onerror="alert(1)"> **bold**',
      aside: null,
      hint: null,
      detail: null,
      actions: [],
    };
    fixture.emit({ kind: 'message', value: message }, data.ready.id);
    const last = (await screen.findAllByTestId('message')).at(-1);
    await waitFor(() => expect(screen.getAllByTestId('message').at(-1)?.textContent).toContain('<img src=x'));
    expect(last?.querySelector('img')).toBeNull();
  });
});

describe('the window', () => {
  it('walks its workspaces by keyboard', async () => {
    await open(...data.all);
    const first = screen.getAllByTestId('workspace-row')[0] as HTMLElement;
    first.focus();
    await user.keyboard('{ArrowDown}');
    expect(app.view.selected).toBe(data.all[1]?.id);
    await user.keyboard('{End}');
    expect(app.view.selected).toBe(data.all.at(-1)?.id);
  });

  it('has its own shortcuts while the page has the keyboard, and leaves the page its own', async () => {
    await open(data.ready);
    const [said] = fixture.called('desktop.shortcuts') as { chords: PageChord[] }[];
    const chord = (key: string, shift = false) => said?.chords.find((one) => one.key === key && one.shift === shift);
    expect(chord('k')).toEqual({ key: 'k', ctrl: true, shift: false, alt: false, stay: false });
    expect(chord('r')).toMatchObject({ stay: true });
    expect([chord('='), chord('?'), chord('o')]).toEqual([undefined, undefined, undefined]);
    expect(chord('o', true)).toMatchObject({ stay: false });
    fixture.tell({ kind: 'shortcut', key: 'k', ctrl: true, shift: false, alt: false });
    expect(await screen.findByTestId('palette-input')).toBeTruthy();
  });

  it('runs commands from the palette', async () => {
    await open(...data.all);
    await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
    await user.type(await screen.findByTestId('palette-input'), 'go to portfolio');
    await waitFor(() => expect(screen.getAllByTestId('palette-item')).toHaveLength(1));
    await user.keyboard('{Enter}');
    await waitFor(() => expect(app.view.selected).toBe(data.kept.id));
  });

  it('asks before it deletes', async () => {
    await open(data.ready);
    app.act.askRemove(data.ready);
    const confirm = await screen.findByTestId('confirm');
    expect(fixture.called('workspace.remove')).toEqual([]);
    await user.click(confirm);
    await screen.findByText('Drop a zip or a folder');
    expect(fixture.called('workspace.remove')).toEqual([{ id: data.ready.id }]);
  });

  it('says when the owner is gone, and that it is back', async () => {
    await open(data.ready);
    fixture.lose();
    expect(await screen.findByText(/connection to the Slipway owner is gone/)).toBeTruthy();
    await waitFor(() => expect(screen.queryByText(/connection to the Slipway owner is gone/)).toBeNull(), {
      timeout: 2000,
    });
  });

  it('follows the theme that is set', async () => {
    await open();
    expect(document.documentElement.dataset.theme).toBe('dark');
    fixture.settings = { ...fixture.settings, theme: 'light' };
    fixture.emit({ kind: 'settings', value: fixture.settings });
    await waitFor(() => expect(document.documentElement.dataset.theme).toBe('light'));
    expect(fixture.called('desktop.theme').at(-1)).toEqual({ theme: 'light' });
  });

  it('opened for one workspace shows that and no list', async () => {
    for (const workspace of data.all) fixture.add(workspace);
    app = new App(fixture, data.failed.id);
    render(Root, { app });
    await app.start();
    expect((await screen.findByTestId('error-title')).textContent).toContain('npm install');
    expect(screen.queryByTestId('workspace-row')).toBeNull();
    expect(screen.queryByTestId('drop')).toBeNull();
  });

  it.each(['dark', 'light'] as const)('has nothing axe objects to, in %s', async (theme) => {
    fixture.settings = { ...fixture.settings, theme };
    await open(data.failed, ...data.all.filter(({ id }) => id !== data.failed.id));
    await screen.findAllByTestId('message');
    // jsdom paints nothing, so contrast is measured in contrast.test.ts and by `npm run axe` in a real engine.
    const { violations } = await axe.run(document.body, {
      rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
    });
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
  });
});

describe('a terminal', () => {
  const keys = () => screen.getAllByTestId('terminal-tab').map((tab) => tab.dataset.process);

  it('opens, comes in front and shows how it ended', async () => {
    await open(data.ready);
    await screen.findAllByTestId('terminal-tab');
    await user.click(screen.getByTestId('new-terminal'));
    await waitFor(() => expect(keys()).toHaveLength(4));
    const fresh = keys()[3];
    expect(screen.getByTestId('terminal').dataset.process).toBe(fresh);
    await waitFor(() => expect(fixture.called('attach').at(-1)).toMatchObject({ process: fresh, offset: 0 }));
    fixture.exit(`${data.ready.id}/${fresh}`, { code: 3, signal: null });
    expect((await screen.findByTestId('exit')).textContent).toContain('exited with code 3');
  });

  it('of a process no event told of is found in the list', async () => {
    await open(data.failed);
    fixture.processes.set(data.failed.id, [
      ...data.processes(data.failed.id),
      { ...data.processes(data.failed.id)[0], id: 'p-new' } as never,
    ]);
    const phases = data.failed.phases.map((phase) =>
      phase.name === 'install' ? { ...phase, process: 'p-new' } : phase,
    );
    fixture.put(data.failed.id, { phases });
    await waitFor(() => expect(keys()).toContain('p-new'));
  });

  it('of the plan is asked about before it is closed while it runs', async () => {
    await open(data.ready);
    await screen.findAllByTestId('terminal-tab');
    const app_ = data.processes(data.ready.id)[1];
    if (app_ === undefined) throw new Error('no app');
    app.terminals.close(app_);
    await user.click(await screen.findByTestId('confirm'));
    expect(fixture.called('process.close')).toEqual([{ id: data.ready.id, process: 'p-start' }]);
    await waitFor(() => expect(keys()).not.toContain('p-start'));
  });
});
