// What goes over the window's edge, as the sidebar shows it while it goes: how far, of how much, and how it is cancelled.
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Carry } from '../../src/lib/backend';
import { App } from '../../src/lib/state/app.svelte';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import { ready, stopped } from '../fixture/data';

let fixture: Fixture;
let app: App;

async function open(only: string | null = null): Promise<void> {
  localStorage.clear();
  fixture = new Fixture();
  fixture.add(ready);
  fixture.add(stopped);
  app = new App(fixture, only);
  render(Root, { app });
  await app.start();
}
afterEach(() => app.stop());

const video: Carry = {
  carry: 4,
  id: ready.id,
  way: 'in',
  name: 'video.mp4',
  place: '/workspace/src',
  nth: 1,
  of: 1,
  done: 12_000_000,
  total: 300_000_000,
  cancelled: false,
};
const tell = (change: Partial<Carry> = {}) => fixture.tell({ kind: 'carry', ...video, ...change });
const rows = () => screen.queryAllByTestId('carry').map((row) => row.textContent?.replace(/\s+/g, ' ').trim());

describe('what goes over the edge', () => {
  beforeEach(() => open());

  it('is shown with its name, what went of it, and a bar that a reader can name', async () => {
    expect(screen.queryByTestId('carries')).toBeNull();
    tell();
    const bar = await screen.findByRole('progressbar', { name: 'Copying video.mp4 into /workspace/src' });
    expect(bar.getAttribute('aria-valuetext')).toBe('12 MB of 300 MB');
    expect((bar as HTMLProgressElement).position).toBeCloseTo(0.04);
    tell({ done: 150_000_000 });
    await waitFor(() => expect(rows()).toEqual(['video.mp4 150 MB of 300 MB /workspace/src']));
    expect((bar as HTMLProgressElement).position).toBeCloseTo(0.5);
    fixture.tell({ kind: 'carry-ended', carry: 4 });
    await waitFor(() => expect(screen.queryByTestId('carries')).toBeNull());
  });

  it('has a bar without a measure as long as nobody knows how much it is', async () => {
    tell({ way: 'out', name: 'src.zip', place: '/home/me', total: null });
    const bar = await screen.findByRole('progressbar', { name: 'Saving src.zip in /home/me' });
    expect((bar as HTMLProgressElement).position).toBe(-1);
    expect(rows()).toEqual(['src.zip 12 MB /home/me']);
  });

  it('is never over what it is, and nothing of nothing is no fault', async () => {
    tell({ done: 301_000_000 });
    tell({ carry: 5, done: 0, total: 0 });
    await waitFor(() =>
      expect(rows()).toEqual(['video.mp4 300 MB of 300 MB /workspace/src', 'video.mp4 0 B of 0 B /workspace/src']),
    );
  });

  it('is listed in the order it began, with what goes together counted', async () => {
    tell({ carry: 6, name: 'b.bin', nth: 2, of: 3 });
    tell();
    await waitFor(() => expect(screen.queryAllByTestId('carry')).toHaveLength(2));
    expect(rows()).toEqual(['video.mp4 12 MB of 300 MB /workspace/src', 'b.bin 2 of 3 12 MB of 300 MB /workspace/src']);
  });

  it('stays in sight when another workspace comes in front, and without the sidebar', async () => {
    tell();
    await waitFor(() => expect(rows()).toHaveLength(1));
    app.view.select(stopped.id);
    await waitFor(() => expect(rows()).toEqual([`video.mp4 12 MB of 300 MB in ${ready.name}`]));
    app.view.sidebar = false;
    await waitFor(() => expect(screen.queryByTestId('engine-status')).toBeNull());
    expect(rows()).toHaveLength(1);
  });

  it('is cancelled by the keyboard, which then stands on the next one', async () => {
    tell();
    tell({ carry: 5, name: 'b.bin' });
    const button = await screen.findByRole('button', { name: 'Cancel copying video.mp4' });
    button.focus();
    await userEvent.keyboard('{Enter}');
    await waitFor(() => expect(fixture.called('desktop.carry-cancel')).toEqual([{ carry: 4 }]));
    tell({ cancelled: true });
    await waitFor(() => expect(rows()[0]).toBe('video.mp4 Cancelling… /workspace/src'));
    fixture.tell({ kind: 'carry-ended', carry: 4 });
    await waitFor(() => expect(rows()).toHaveLength(1));
    await waitFor(() => expect(document.activeElement?.getAttribute('aria-label')).toBe('Cancel copying b.bin'));
    fixture.tell({ kind: 'carry-ended', carry: 5 });
    await waitFor(() => expect(rows()).toEqual([]));
    await waitFor(() => expect(document.activeElement?.getAttribute('role')).toBe('tree'));
  });

  it('says so when it cannot be cancelled', async () => {
    fixture.answers.set('desktop.carry-cancel', () => {
      throw { code: 'internal', message: 'The bridge is gone.' };
    });
    tell();
    await fireEvent.click(await screen.findByTestId('carry-cancel'));
    expect((await screen.findByTestId('notice')).textContent).toContain('The bridge is gone.');
  });
});

it('of another workspace is not shown in the window of one', async () => {
  await open(stopped.id);
  tell();
  tell({ carry: 5, id: stopped.id, name: 'mine.bin' });
  await waitFor(() => expect(rows()).toHaveLength(1));
  expect(rows()[0]).toContain('mine.bin');
});
