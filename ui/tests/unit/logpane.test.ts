// The log's pane in the whole window on the fixture: what is shown, found, left out, saved, and by which keys.
import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import type { LogQuery, Workspace } from '../../src/lib/wire';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import * as data from '../fixture/data';
import { LogBook } from '../fixture/logbook';

let fixture: Fixture;
let app: App;
const user = userEvent.setup();
const lines = () => screen.queryAllByTestId('log-line').map((line) => line.querySelector('.text')?.textContent);
const asked = () => fixture.called('workspace.logs') as LogQuery[];
const book = () => fixture.logs.get(data.ready.id) as LogBook;

async function open(workspace: Workspace, records = data.logLines): Promise<void> {
  fixture.add(workspace);
  fixture.logs.set(workspace.id, new LogBook(records));
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
  app.view.showPanel('logs');
  await screen.findByTestId('log');
}
async function complaints(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

beforeEach(() => {
  localStorage.clear();
  fixture = new Fixture();
});
afterEach(() => app.stop());

describe('the log', () => {
  it('shows time, level, program and stream, in colours, and what is missing', async () => {
    await open(data.ready, data.logLines.slice(-6));
    await waitFor(() => expect(lines()).toHaveLength(6));
    const [jobs, failed, missing] = screen.getAllByTestId('log-line');
    expect(jobs?.textContent).toMatch(/\d\d:\d\d:\d\d\s*info\s*worker\s*out\s*queue/);
    expect(failed?.textContent).toMatch(/error\s*worker\s*err\s*job 7/);
    expect(missing?.textContent).toContain('48 kB of its output');
    expect(document.querySelector('.c-green')?.textContent).toBe('hmr update');
    expect(await complaints()).toEqual([]);
  });

  it('goes on while it is followed, and stands still when told to', async () => {
    await open(data.ready, []);
    expect((await screen.findByTestId('log-none')).textContent).toContain('Nothing was printed yet');
    book().print('hello');
    await waitFor(() => expect(lines()).toEqual(['hello']));
    await user.click(screen.getByTestId('log-follow'));
    book().print('later');
    await waitFor(() => expect(screen.getByTestId('log-newest').textContent).toContain('1 newer line'), {
      timeout: 9000,
    });
    expect(lines()).toEqual(['hello']);
    await user.click(screen.getByTestId('log-newest'));
    await waitFor(() => expect(lines()).toEqual(['hello', 'later']));
  });

  it('is searched by keyboard: found, counted, gone through, cleared', async () => {
    await open(data.ready, data.logLines.slice(0, 8));
    await waitFor(() => expect(lines()).toHaveLength(8));
    screen.getByTestId('log-lines').focus();
    await user.keyboard('{Control>}f{/Control}');
    expect(document.activeElement).toBe(screen.getByTestId('log-find'));
    await user.keyboard('VITE');
    await waitFor(() => expect(screen.getByTestId('log-count').textContent).toBe('2 matches'));
    expect([...document.querySelectorAll('mark')].map((mark) => mark.textContent)).toEqual(['vite', 'VITE']);
    await user.keyboard('{Enter}');
    await waitFor(() => expect(screen.getByTestId('log-count').textContent).toBe('2 of 2'));
    await user.keyboard('{Shift>}{F3}{/Shift}');
    await waitFor(() => expect(screen.getByTestId('log-count').textContent).toBe('1 of 2'));
    expect(document.querySelector('.line.current')?.textContent).toContain('> vite');
    await user.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByTestId('log-count')).toBeNull());
    await waitFor(() => expect(document.querySelector('mark')).toBeNull());
  });

  it('leaves out by text, level, program and time, says so, and gives all back at once', async () => {
    await open(data.ready);
    await user.click(screen.getByTestId('log-only'));
    await user.type(screen.getByTestId('log-find'), 'vite]');
    await waitFor(() => expect(lines()).toHaveLength(3));
    await user.click(screen.getByTestId('log-filters'));
    await user.click(await screen.findByTestId('log-level-warn'));
    await waitFor(() => expect(lines()).toHaveLength(1));
    await user.click(screen.getByTestId('log-filters'));
    (await screen.findByText(/^Program: /)).closest<HTMLElement>('[role="menuitem"]')?.focus();
    await user.keyboard('{ArrowRight}');
    await user.click(await screen.findByText('worker', { selector: '.menu .cut' }));
    expect((await screen.findByTestId('log-none')).textContent).toContain('No line fits');
    expect(screen.getByTestId('log-chips').textContent).toMatch(/Warnings and above.*worker/);
    expect(asked().at(-1)).toMatchObject({ level: 'warn', process: 'worker', grep: '(?i)vite\\]' });
    expect(await complaints()).toEqual([]);
    await user.click(within(screen.getByTestId('log-none')).getByRole('button'));
    await waitFor(() => expect(lines().length).toBeGreaterThan(3));
    expect(screen.queryByTestId('log-chips')).toBeNull();
  });

  it('is narrowed to a time that is typed, checked while it is', async () => {
    await open(data.ready);
    await user.click(screen.getByTestId('log-filters'));
    (await screen.findByText(/^Time: /)).closest<HTMLElement>('[role="menuitem"]')?.focus();
    await user.keyboard('{ArrowRight}');
    await user.click(await screen.findByTestId('log-span-custom'));
    await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId('log-from')));
    await user.keyboard('noon');
    expect(screen.getByTestId<HTMLButtonElement>('log-time-do').disabled).toBe(true);
    await user.clear(screen.getByTestId('log-from'));
    await user.type(screen.getByTestId('log-from'), '2026-01-02 10:00');
    await user.type(screen.getByTestId('log-until'), '2026-01-01');
    expect(screen.getByTestId('log-time').textContent).toContain('The end lies before');
    await user.clear(screen.getByTestId('log-until'));
    await user.click(screen.getByTestId('log-time-do'));
    const from = new Date(2026, 0, 2, 10).getTime();
    await waitFor(() =>
      expect(asked().some(({ since_ms, until_ms }) => since_ms === from && until_ms === undefined)).toBe(true),
    );
    expect(screen.getByTestId('log-chips').textContent).toContain('since');
  });

  it('is saved where a person says, with what is left out left out', async () => {
    fixture.answers.set('desktop.choose', (body: { name: string }) => ({ paths: [`/home/me/${body.name}`] }));
    await open(data.ready);
    app.view.say('');
    await user.click(screen.getByTestId('log-more'));
    await user.click(await screen.findByTestId('log-save-json'));
    await waitFor(() =>
      expect(fixture.called('desktop.save-log')).toEqual([
        { query: { id: data.ready.id }, path: '/home/me/shop-demo.jsonl', json: true },
      ]),
    );
    await screen.findByText('20 lines written to /home/me/shop-demo.jsonl');
    await user.click(screen.getByTestId('log-more'));
    await user.click(await screen.findByTestId('log-copy'));
    await waitFor(() => expect(fixture.clipboard.split('\n')).toHaveLength(20));
  });

  it('remembers how it is shown', async () => {
    await open(data.ready, data.logLines.slice(0, 2));
    await waitFor(() => expect(document.querySelectorAll('[data-testid=log-line] time')).toHaveLength(2));
    await user.click(screen.getByTestId('log-more'));
    await user.click(await screen.findByTestId('log-timestamps'));
    expect(document.querySelector('[data-testid=log-line] time')).toBeNull();
    expect(localStorage.getItem('slipway.log-look')).toContain('"timestamps":false');
  });

  it('of a workspace whose container is gone is read like any other', async () => {
    const gone = data.workspace('lost-one', { state: 'terminated', url: null, ports: [] });
    await open(gone, data.logLines.slice(0, 4));
    fixture.processes.set(gone.id, []);
    await waitFor(() => expect(lines()).toHaveLength(4));
  });

  it('that cannot be read says why, with a way on', async () => {
    fixture.answers.set('workspace.logs', () => {
      throw { code: 'storage', message: 'The log cannot be read.', hint: 'See that the folder is yours.' };
    });
    await open(data.ready);
    expect((await screen.findByTestId('log-problem')).textContent).toContain('See that the folder is yours.');
    fixture.answers.delete('workspace.logs');
    await fireEvent.click(screen.getByText('Read again'));
    await waitFor(() => expect(screen.queryByTestId('log-problem')).toBeNull());
    await waitFor(() => expect(lines().length).toBeGreaterThan(3));
  });
});
