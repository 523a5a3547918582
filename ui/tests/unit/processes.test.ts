// The processes of a container: their order, and in the whole window on the fixture what is shown and sent.
import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { descendants, rowsOf } from '../../src/lib/processes/tree';
import { App } from '../../src/lib/state/app.svelte';
import { Processes } from '../../src/lib/state/processes.svelte';
import type { ContainerProcess, Workspace } from '../../src/lib/wire';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

const shape = (options: Parameters<typeof rowsOf>[1], list = data.tree) =>
  rowsOf(list, options).map(({ process, depth }) => `${'-'.repeat(depth)}${process.pid}`);
const asTree = { tree: true, sort: { key: 'age', descending: true }, closed: new Set<string>() } as const;

describe('the order of processes', () => {
  it('is a tree, each below what started it, siblings sorted', () => {
    expect(shape(asTree)).toEqual(['1', '-21', '--33', '---34', '----52', '-60', '--61']);
    const memory = { ...asTree, sort: { key: 'memory', descending: false } } as const;
    expect(shape(memory).filter((row) => /^-\d/.test(row))).toEqual(['-60', '-21']);
  });
  it('leaves out what was folded', () =>
    expect(shape({ ...asTree, closed: new Set(['21.1021']) })).toEqual(['1', '-21', '-60', '--61']));
  it('is flat and sorted where that is wanted', () =>
    expect(shape({ ...asTree, tree: false, sort: { key: 'cpu', descending: true } }).slice(0, 2)).toEqual([
      '52',
      '34',
    ]));
  it('survives parents that are missing, their own, or each other’s', () => {
    const odd = [
      { ...(data.tree[0] as (typeof data.tree)[0]), pid: 5, parent: 5, born: 5 },
      { ...(data.tree[0] as (typeof data.tree)[0]), pid: 6, parent: 99, born: 6 },
      { ...(data.tree[0] as (typeof data.tree)[0]), pid: 7, parent: 8, born: 7 },
      { ...(data.tree[0] as (typeof data.tree)[0]), pid: 8, parent: 7, born: 8 },
    ];
    expect(shape(asTree, odd).map(Number).toSorted()).toEqual([5, 6, 7, 8]);
    expect(descendants(odd, 7)).toBe(1);
    expect(descendants(data.tree, 21)).toBe(3);
  });
});

let fixture: Fixture;
let app: App;
const user = userEvent.setup();
const pids = () => screen.queryAllByTestId('process').map((row) => Number(row.dataset.pid));
const row = (pid: number) => document.querySelector(`[data-testid=process][data-pid="${pid}"]`) as HTMLElement;

async function open(workspace: Workspace): Promise<void> {
  fixture.add(workspace);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
  app.view.showPanel('processes');
  await screen.findByTestId('processes');
}
async function menu(pid: number): Promise<void> {
  await user.click(within(row(pid)).getByTestId('process-menu'));
}
async function complaints(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

describe('the processes', () => {
  beforeEach(() => {
    localStorage.clear();
    fixture = new Fixture();
  });
  afterEach(() => {
    app.stop();
    vi.useRealTimers();
  });

  it('are shown with what they use, and sorted by their columns', async () => {
    await open(data.ready);
    await waitFor(() => expect(pids()).toEqual([1, 21, 33, 34, 52, 60, 61]));
    expect(row(34).textContent).toMatch(/node.*vite.*34.*3.4 %.*184 MB.*:5173/);
    expect(row(61).textContent).toContain('stopped');
    expect(row(34).getAttribute('aria-level')).toBe('4');
    expect(await complaints()).toEqual([]);
    await user.click(screen.getByTestId('process-tree'));
    await user.click(screen.getByTestId('sort-memory'));
    expect(pids().slice(0, 3)).toEqual([34, 21, 52]);
    await user.click(screen.getByTestId('sort-memory'));
    expect(pids().at(-1)).toBe(34);
    expect(localStorage.getItem('slipway.processes')).toContain('memory');
  });

  it('are gone through by keyboard, folded and opened', async () => {
    await open(data.ready);
    await waitFor(() => expect(pids()).toHaveLength(7));
    screen.getByRole('treegrid').focus();
    await user.keyboard('{ArrowDown}{ArrowDown}{ArrowLeft}');
    await waitFor(() => expect(pids()).toEqual([1, 21, 60, 61]));
    expect(row(21).getAttribute('aria-expanded')).toBe('false');
    expect(screen.getByRole('treegrid').getAttribute('aria-activedescendant')).toBe('process-1');
    await user.keyboard('{ArrowRight}');
    await waitFor(() => expect(pids()).toHaveLength(7));
    await user.keyboard('{Enter}');
    expect(await screen.findByTestId('signal-15')).toBeTruthy();
  });

  it('get the signal that was chosen, by number and birth, and the list follows', async () => {
    await open(data.ready);
    await waitFor(() => expect(pids()).toHaveLength(7));
    await menu(61);
    expect(screen.queryByTestId('signal-19')).toBeNull();
    await user.click(await screen.findByTestId('signal-18'));
    await waitFor(() => expect(row(61).textContent).not.toContain('stopped'));
    expect(fixture.called('process.kill')).toEqual([
      { id: data.ready.id, pid: 61, born: 1061, signal: 18, tree: false },
    ]);
    await screen.findByText('CONT sent to 1 process');
  });

  it('are killed after a question only, alone or with all they started', async () => {
    await open(data.ready);
    await waitFor(() => expect(pids()).toHaveLength(7));
    await menu(60);
    await user.click(await screen.findByTestId('kill-tree'));
    expect((await screen.findByTestId('dialog')).textContent).toContain('Kill sh and 1 other?');
    expect(fixture.called('process.kill')).toEqual([]);
    await user.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(pids()).toEqual([1, 21, 33, 34, 52]));
    expect(fixture.called('process.kill')).toMatchObject([{ pid: 60, signal: 9, tree: true }]);
  });

  it('leave out Slipway’s own, which nothing is sent to', async () => {
    await open(data.ready);
    await waitFor(() => expect(pids()).toHaveLength(7));
    await menu(1);
    await screen.findByText(/keeps the workspace running/);
    expect(screen.queryByTestId('signal-15')).toBeNull();
  });

  it('that ended meanwhile are not mistaken for another', async () => {
    const list = new Processes(fixture, data.ready.id);
    const old = data.tree.at(-1) as ContainerProcess;
    fixture.tree = fixture.tree.map((process) => (process.pid === 61 ? { ...process, born: 9999 } : process));
    await expect(list.signal(old, 15, false)).rejects.toMatchObject({ message: 'Process 61 has ended.' });
    // A menu that is open goes with its process; nothing slides under it.
    fixture.tree = data.tree;
    await open(data.ready);
    await waitFor(() => expect(pids()).toHaveLength(7));
    await menu(60);
    await screen.findByTestId('signal-15');
    fixture.tree = fixture.tree.filter(({ pid }) => pid !== 60);
    await waitFor(() => expect(screen.queryByTestId('signal-15')).toBeNull());
  });

  it('are asked for while their tab is in front and not otherwise', async () => {
    fixture.add(data.ready);
    app = new App(fixture, null);
    vi.useFakeTimers({ shouldAdvanceTime: true });
    render(Root, { app });
    await app.start();
    expect(fixture.called('process.tree')).toEqual([]);
    app.view.showPanel('processes');
    await waitFor(() => expect(pids()).toHaveLength(7));
    await vi.advanceTimersByTimeAsync(5000);
    expect(fixture.called('process.tree').length).toBeGreaterThanOrEqual(5);
    expect(fixture.called('process.tree')[0]).toMatchObject({ sample_ms: 100 });
    app.view.showPanel('messages');
    await waitFor(() => expect(screen.queryByTestId('processes')).toBeNull());
    const asked = fixture.called('process.tree').length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fixture.called('process.tree')).toHaveLength(asked);
  });

  it.each([
    ['paused', data.paused, 'It is paused'],
    ['stopped', data.stopped, 'It does not run'],
  ])('of one that is %s are told of in words', async (_how, workspace, said) => {
    await open(workspace);
    expect(screen.getByTestId('processes').textContent).toContain(said);
    expect(fixture.called('process.tree')).toEqual([]);
  });

  it('that cannot be read say why, with a way on', async () => {
    fixture.answers.set('process.tree', () => {
      throw { code: 'agent-lost', message: 'The agent does not answer.' };
    });
    await open(data.ready);
    await screen.findByText('The agent does not answer.');
    fixture.answers.delete('process.tree');
    await user.click(screen.getByText('Ask again'));
    await waitFor(() => expect(pids()).toHaveLength(7));
  });
});
