// Tabs and halves of the terminals in the whole window on the fixture: moved, shown beside, restarted where they stood.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import { TabOrder } from '../../src/lib/state/tabOrder.svelte';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';

let fixture: Fixture;
let app: App;
const user = userEvent.setup();
const { ready } = data;
const tabs = () => screen.getAllByTestId('terminal-tab').map((tab) => tab.textContent?.replace('finished', '').trim());
const halves = () => screen.queryAllByTestId('terminal').map((half) => half.dataset.process);
const tab = (process: string) =>
  document.querySelector(`[data-testid=terminal-tab][data-process="${process}"]`) as HTMLElement;

async function open(): Promise<void> {
  fixture.add(ready);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
  await waitFor(() => expect(app.terminals.active).not.toBeNull());
}
beforeEach(() => {
  localStorage.clear();
  fixture = new Fixture();
});
afterEach(() => app?.stop());

describe('tabs', () => {
  it('are moved by keyboard, from their menu and by dragging, and stay so', async () => {
    await open();
    await waitFor(() => expect(tabs()).toEqual(['install', 'dev', 'sh']));
    await fireEvent.keyDown(window, { key: 'PageUp', ctrlKey: true, shiftKey: true });
    await waitFor(() => expect(tabs()[0]).toBe('dev'));
    await fireEvent.contextMenu(tab('p-sh'));
    await user.click(await screen.findByTestId('tab-left'));
    await waitFor(() => expect(tabs()[1]).toBe('sh'));
    const bar = screen.getByRole('tablist', { name: 'Terminals and programs' });
    bar.setPointerCapture = () => {};
    for (const [at, one] of within(bar).getAllByRole('tab').entries())
      one.getBoundingClientRect = () => ({ left: at * 100, width: 100 }) as DOMRect;
    // jsdom's pointer events have no place.
    const point = (on: HTMLElement, type: string, clientX: number, buttons: number) =>
      on.dispatchEvent(new MouseEvent(type, { bubbles: true, clientX, buttons }));
    point(tab('p-start'), 'pointerdown', 50, 1);
    point(bar, 'pointermove', 52, 1);
    expect(tabs()[0]).toBe('dev');
    point(bar, 'pointermove', 290, 1);
    point(bar, 'pointerup', 290, 0);
    await waitFor(() => expect(tabs().at(-1)).toBe('dev'));
    expect(new TabOrder().sorted(ready.id, data.processes(ready.id)).map(({ id }) => id)).toEqual([
      'p-sh',
      'p-install',
      'p-start',
    ]);
    expect(app.terminals.listed(ready.id).map(({ id }) => id)).toEqual(['p-sh', 'p-install', 'p-start']);
  });

  it('that nobody moved stand after those that were, as they came', () => {
    const order = new TabOrder();
    const list = data.processes(ready.id);
    order.move(ready.id, list, 'p-sh', 0);
    order.move(ready.id, list, 'nobody', 0);
    const more = [...list, { ...list[0], id: 'p-new' } as (typeof list)[0]];
    expect(order.sorted(ready.id, more).map(({ id }) => id)).toEqual(['p-sh', 'p-install', 'p-start', 'p-new']);
    order.replace(ready.id, 'p-sh', 'p-new');
    expect(order.sorted(ready.id, more).map(({ id }) => id)[0]).toBe('p-new');
    order.forget(ready.id);
    expect(order.sorted(ready.id, list)).toBe(list);
  });
});

describe('two halves', () => {
  it('open with a new shell, take the tabs that are chosen, and close again', async () => {
    await open();
    await waitFor(() => expect(halves()).toEqual(['p-start']));
    await user.click(screen.getByTestId('split'));
    await waitFor(() => expect(halves()).toHaveLength(2));
    const [first, second] = halves();
    expect(first).toBe('p-start');
    await waitFor(() => expect(app.terminals.active?.process.id).toBe(second));
    // What is chosen goes where the keys are; what is in sight already is gone to.
    await user.click(tab('p-sh'));
    await waitFor(() => expect(halves()).toEqual(['p-start', 'p-sh']));
    await user.click(tab('p-start'));
    await waitFor(() => expect(app.terminals.active?.process.id).toBe('p-start'));
    expect(halves()).toEqual(['p-start', 'p-sh']);
    await user.click(tab('p-install'));
    await waitFor(() => expect(halves()).toEqual(['p-install', 'p-sh']));
    await user.click(screen.getByTestId('split'));
    await waitFor(() => expect(halves()).toEqual(['p-install']));
  });

  it('show a tab beside another, never the same one twice', async () => {
    await open();
    await waitFor(() => expect(halves()).toEqual(['p-start']));
    await fireEvent.contextMenu(tab('p-start'));
    await user.click(await screen.findByTestId('tab-beside'));
    await waitFor(() => expect(halves()).toEqual(['p-install', 'p-start']));
    await user.click(tab('p-start'));
    expect(new Set(halves()).size).toBe(2);
  });
});

describe('a shell', () => {
  const ended = () => {
    const shell = fixture.processes.get(ready.id)?.find(({ id }) => id === 'p-sh');
    if (shell !== undefined)
      fixture.emit({ kind: 'process', value: { ...shell, exit: { code: 3, signal: null } } }, ready.id);
  };
  it('that ended begins again where it stood, under its name and in its place', async () => {
    await open();
    fixture.answers.set('file.stat', () => ({ target: '/workspace/src' }));
    app.view.nameTab(ready.id, 'p-sh', 'mine');
    app.view.order.move(ready.id, app.terminals.listed(ready.id), 'p-sh', 0);
    await user.click(tab('p-sh'));
    await waitFor(() => expect(app.terminals.active?.process.id).toBe('p-sh'));
    app.terminals.active?.terminal.input('cd src\r');
    await waitFor(() => expect(app.terminals.places.of(`${ready.id}/p-sh`)).toBe('/workspace/src'));
    ended();
    expect((await screen.findByTestId('exit')).textContent).toContain('exited with code 3');
    await user.click(screen.getByTestId('restart'));
    await waitFor(() => expect(fixture.called('process.open')).toMatchObject([{ cwd: '/workspace/src' }]));
    await waitFor(() => expect(tabs()[0]).toBe('mine'));
    expect(tab('p-sh')).toBeNull();
  });

  it('that was there before the window says that it is restored, and a new one does not', async () => {
    const list = fixture.processes;
    fixture.add(ready);
    list.set(
      ready.id,
      data.processes(ready.id).map((process) => ({ ...process, bytes: 100 })),
    );
    app = new App(fixture, null);
    render(Root, { app });
    await app.start();
    expect((await screen.findByTestId('restored')).textContent).toBe('restored');
    await user.click(screen.getByTestId('new-terminal'));
    await waitFor(() => expect(halves()).not.toContain('p-start'));
    await waitFor(() => expect(app.terminals.active).not.toBeNull());
    expect(screen.queryByTestId('restored')).toBeNull();
  });
});
