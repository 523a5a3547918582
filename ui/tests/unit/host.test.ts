// The host tab in the whole window on the fixture: off until switched on, marked, ended with its tab.
import { render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { t } from '../../src/lib/messages';
import { App } from '../../src/lib/state/app.svelte';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';

let fixture: Fixture;
let app: App;
const user = userEvent.setup();

async function open(on: boolean | null): Promise<void> {
  fixture.start = { ...fixture.start, host_shell: on };
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

describe('the host tab', () => {
  it('is not there before it is switched on in the settings, and where there is none the settings do not name it', async () => {
    await open(null);
    app.view.dialog = { kind: 'settings' };
    await screen.findByTestId('save-settings');
    expect([screen.queryByTestId('host-shell-setting'), screen.queryByTestId('host-tab')]).toEqual([null, null]);
    app.stop();
  });

  it('is switched on, shows a shell that says whose it is, and is gone with its shell when switched off', async () => {
    await open(false);
    expect(screen.queryByTestId('host-tab')).toBeNull();
    app.view.dialog = { kind: 'settings' };
    await user.click(await screen.findByTestId('host-shell-setting'));
    await user.click(screen.getByTestId('save-settings'));
    await user.click(await screen.findByTestId('host-tab'));
    expect((await screen.findByTestId('host-shell')).textContent).toContain(t.host.warning);
    await waitFor(() => expect(fixture.called('host')).toHaveLength(1));
    await waitFor(() => expect(app.terminals.active?.key).toBe('host'));
    app.terminals.active?.terminal.input('ls\r');
    await waitFor(() => expect(app.terminals.active?.text()).toContain('ls'));
    // Another tab and back: the same shell.
    await user.click(screen.getAllByTestId('terminal-tab')[0] as HTMLElement);
    await waitFor(() => expect(screen.queryByTestId('host-shell')).toBeNull());
    await user.click(screen.getByTestId('host-tab'));
    await screen.findByTestId('host-shell');
    expect(fixture.called('host')).toHaveLength(1);
    fixture.tell({ kind: 'host-shell', on: false });
    await waitFor(() => expect(screen.queryByTestId('host-tab')).toBeNull());
    expect([screen.queryByTestId('host-shell'), app.terminals.host.session]).toEqual([null, null]);
  });

  it('shows how its shell ended and begins again; closing asks while it runs', async () => {
    await open(true);
    await user.click(await screen.findByTestId('host-tab'));
    await waitFor(() => expect(fixture.called('attach').at(-1)).toMatchObject({ id: 'host' }));
    const { process } = fixture.called('attach').at(-1) as { process: string };
    fixture.exit(`host/${process}`, { code: 3, signal: null });
    expect((await screen.findByTestId('host-exit')).textContent).toContain('exited with code 3');
    await user.click(screen.getByTestId('host-restart'));
    await waitFor(() => expect(fixture.called('host')).toHaveLength(2));
    expect(screen.queryByTestId('host-exit')).toBeNull();
    await user.click(screen.getByTestId('host-close'));
    await user.click(await screen.findByTestId('confirm'));
    await waitFor(() => expect(screen.queryByTestId('host-shell')).toBeNull());
    expect(app.terminals.host.session).toBeNull();
  });
});
