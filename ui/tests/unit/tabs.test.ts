// Tabs and halves of the terminals in the whole window on the fixture: moved, named, shown beside, restarted where they
// stood, and found again by the next window.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { t } from '../../src/lib/messages';
import { App } from '../../src/lib/state/app.svelte';
import { followLink } from '../../src/lib/terminal/links';
import type { ArrangeTerminals, Process } from '../../src/lib/wire';
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
    const kept = () => fixture.layouts.get(ready.id)?.tabs.map(({ process }) => process);
    await waitFor(() => expect(kept()).toEqual(['p-sh', 'p-install', 'p-start']));
    expect(app.terminals.listed(ready.id).map(({ id }) => id)).toEqual(['p-sh', 'p-install', 'p-start']);
  });

  it('that nobody moved stand after those that were, as they came', async () => {
    await open();
    const { arrangement } = app.terminals;
    const list = data.processes(ready.id);
    arrangement.move(ready.id, 'p-sh', 0);
    arrangement.move(ready.id, 'nobody', 0);
    const more = [...list, { ...list[0], id: 'p-new' } as (typeof list)[0]];
    const order = () => arrangement.sorted(ready.id, more).map(({ id }) => id);
    expect(order()).toEqual(['p-sh', 'p-install', 'p-start', 'p-new']);
    arrangement.replace(ready.id, 'p-sh', 'p-new');
    expect(order()[0]).toBe('p-new');
  });

  it('are named in a dialog, keep the name in the next window, and another window hears of it', async () => {
    await open();
    const next = new App(fixture, null);
    await fireEvent.dblClick(tab('p-sh'));
    const field = await screen.findByTestId('ask-field');
    await user.clear(field);
    await user.type(field, 'database{Enter}');
    await waitFor(() => expect(tabs()).toEqual(['install', 'dev', 'database']));
    await waitFor(() =>
      expect(fixture.layouts.get(ready.id)?.tabs.at(-1)).toMatchObject({ process: 'p-sh', name: 'database' }),
    );
    const layout = { ...data.unarranged, tabs: [{ process: 'p-start', name: 'shop', folder: null }] };
    fixture.emit({ kind: 'terminals', value: layout }, ready.id);
    await waitFor(() => expect(tabs()).toEqual(['shop', 'install', 'sh']));
    // The fixture tells one window at a time.
    await next.start();
    await next.feed.openRoom(ready.id);
    const shell = data.processes(ready.id)[2] as Process;
    expect(next.terminals.nameOf(shell)).toBe('database');
    next.stop();
  });

  it('keep what was wanted last while the engine is slow, and what is refused is told', async () => {
    await open();
    const shell = data.processes(ready.id)[2] as Process;
    let answer: () => void = () => {};
    const slow = new Promise<void>((done) => {
      answer = done;
    });
    fixture.answers.set('terminal.arrange', async (body: ArrangeTerminals) => {
      await slow;
      return body.layout;
    });
    for (const name of ['a', 'b', 'c']) app.terminals.arrangement.rename(shell, name);
    fixture.emit({ kind: 'terminals', value: data.unarranged }, ready.id);
    expect(app.terminals.nameOf(shell)).toBe('c');
    answer();
    // Three changes, two calls: the second carries the newest.
    await waitFor(() => expect(fixture.called('terminal.arrange')).toHaveLength(2));
    await waitFor(() => expect(app.room?.terminals.tabs.at(-1)?.name).toBe('c'));
    fixture.answers.set('terminal.arrange', () => {
      throw { code: 'storage', message: 'The disk is full.' };
    });
    app.terminals.arrangement.rename(shell, 'd');
    await waitFor(() => expect(app.view.notices.map(({ text }) => text)).toEqual(['The disk is full.']));
    expect(app.terminals.nameOf(shell)).toBe('c');
  });
});

describe('the next window', () => {
  it('finds the halves, the tab in front, their widths and the type as they were left', async () => {
    fixture.layouts.set(ready.id, {
      ...data.unarranged,
      front: 'p-install',
      beside: 'p-sh',
      second: true,
      share: 30,
      font_px: 17,
    });
    await open();
    await waitFor(() => expect(halves()).toEqual(['p-install', 'p-sh']));
    await waitFor(() => expect(app.terminals.active?.process?.id).toBe('p-sh'));
    expect(app.terminals.active?.terminal.options.fontSize).toBe(17);
    expect(app.terminals.arrangement.share(ready.id)).toBe(30);
    await fireEvent.keyDown(window, { key: '-', ctrlKey: true });
    await waitFor(() => expect(app.terminals.active?.terminal.options.fontSize).toBe(16));
    await waitFor(() => expect(fixture.layouts.get(ready.id)?.font_px).toBe(16));
    await fireEvent.keyDown(window, { key: '0', ctrlKey: true });
    await waitFor(() => expect(fixture.layouts.get(ready.id)?.font_px).toBeNull());
  });

  it('puts up with halves whose programs are gone', async () => {
    fixture.layouts.set(ready.id, { ...data.unarranged, front: 'p-gone', beside: 'p-gone-too', second: true });
    await open();
    await waitFor(() => expect(halves()).toEqual(['p-start']));
    await user.click(tab('p-sh'));
    await waitFor(() => expect(halves()).toEqual(['p-sh']));
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
    await waitFor(() => expect(app.terminals.active?.process?.id).toBe(second));
    // What is chosen goes where the keys are; what is in sight already is gone to.
    await user.click(tab('p-sh'));
    await waitFor(() => expect(halves()).toEqual(['p-start', 'p-sh']));
    await user.click(tab('p-start'));
    await waitFor(() => expect(app.terminals.active?.process?.id).toBe('p-start'));
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

describe('a link', () => {
  it('that is not to be asked about again opens, and so does the next of its workspace', async () => {
    await open();
    const opened = () => fixture.called('desktop.open-external').map((body) => (body as { url: string }).url);
    followLink(app, ready.id, 'https://example.org/one');
    await user.click(await screen.findByLabelText(t.terminal.linkAlways));
    await user.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(opened()).toEqual(['https://example.org/one']));
    followLink(app, ready.id, 'https://example.org/two');
    await waitFor(() => expect(opened()).toEqual(['https://example.org/one', 'https://example.org/two']));
    expect(app.view.dialog).toBeNull();
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
    const shell = data.processes(ready.id)[2] as Process;
    app.terminals.arrangement.rename(shell, 'mine');
    app.terminals.arrangement.move(ready.id, 'p-sh', 0);
    await user.click(tab('p-sh'));
    await waitFor(() => expect(app.terminals.active?.process?.id).toBe('p-sh'));
    app.terminals.active?.terminal.input('cd src\r');
    await waitFor(() => expect(app.terminals.arrangement.folder(shell)).toBe('/workspace/src'));
    ended();
    expect((await screen.findByTestId('exit')).textContent).toContain('exited with code 3');
    await user.click(screen.getByTestId('restart'));
    await waitFor(() =>
      expect(fixture.called('process.restart')).toMatchObject([{ process: 'p-sh', folder: '/workspace/src' }]),
    );
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
