import { Terminal } from '@xterm/xterm';
import { describe, expect, it, vi } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import { Intake } from '../../src/lib/terminal/intake';
import { followLink } from '../../src/lib/terminal/links';
import { pasteInto } from '../../src/lib/terminal/paste';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';

const text = (value: string) => new TextEncoder().encode(value);
const written = (terminal: Terminal, data: string) => new Promise<void>((done) => terminal.write(data, done));

describe('output', () => {
  it('is acknowledged byte for byte once it was parsed', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const acks: number[] = [];
    const intake = new Intake(terminal, (bytes) => acks.push(bytes));
    const total = 300 * 1024;
    intake.put(text('x'.repeat(total)), 0);
    await vi.waitFor(() => expect(acks.reduce((sum, bytes) => sum + bytes, 0)).toBe(total), 5000);
    expect(acks.length).toBeGreaterThan(1);
    expect(Math.max(...acks)).toBeLessThanOrEqual(160 * 1024);
  });

  it('that is old gets no answers, and what follows does', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const intake = new Intake(terminal, () => {});
    const sent: string[] = [];
    terminal.onData((data) => {
      if (!intake.inHistory) sent.push(data);
    });
    const old = text('\x1b[6n');
    intake.historyUntil(old.length);
    intake.put(old, 0);
    intake.put(text('\x1b[5n'), old.length);
    await vi.waitFor(() => expect(sent).toEqual(['\x1b[0n']));
  });

  it('our own notes are never acknowledged', async () => {
    const terminal = new Terminal({ allowProposedApi: true });
    const acks: number[] = [];
    const intake = new Intake(terminal, (bytes) => acks.push(bytes));
    intake.note('gone');
    intake.put(text('abc'), 0);
    await vi.waitFor(() => expect(acks).toEqual([3]));
  });
});

describe('hostile sequences', () => {
  it.each([
    ['a clipboard read (OSC 52)', '\x1b]52;c;?\x07'],
    ['a title report', '\x1b]0;evil; touch /tmp/x\x07\x1b[21t'],
    ['an icon title report', '\x1b]1;evil\x07\x1b[20t'],
    ['a font query (OSC 50)', '\x1b]50;?\x07'],
    ['window moves and sizes', '\x1b[3;0;0t\x1b[8;1;1t\x1b[18t\x1b[14t'],
  ])('%s put nothing on the input', async (_what, sequence) => {
    const terminal = new Terminal({ allowProposedApi: true });
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    await written(terminal, sequence);
    expect(sent).toEqual([]);
    expect([terminal.cols, terminal.rows]).toEqual([80, 24]);
  });
});

function app(): { app: App; fixture: Fixture } {
  const fixture = new Fixture();
  fixture.add(ready);
  const made = new App(fixture, null);
  made.store.putWorkspace(ready);
  return { app: made, fixture };
}

describe('links', () => {
  it('are asked about with their whole address', () => {
    const { app: made, fixture } = app();
    followLink(made, ready.id, 'https://example.org/a?b');
    expect(made.view.dialog).toMatchObject({ kind: 'confirm', shown: 'https://example.org/a?b' });
    expect(fixture.called('desktop.open-external')).toEqual([]);
    if (made.view.dialog?.kind === 'confirm') made.view.dialog.run();
    expect(fixture.called('desktop.open-external')).toEqual([{ url: 'https://example.org/a?b' }]);
  });

  it.each(['file:///etc/passwd', 'javascript:alert(1)', 'vscode://x', 'not a link'])('%s is no link', (uri) => {
    const { app: made } = app();
    followLink(made, ready.id, uri);
    expect(made.view.dialog).toBeNull();
  });

  it('to the container’s own port open in the preview', () => {
    const { app: made, fixture } = app();
    followLink(made, ready.id, 'http://localhost:5173/cart');
    expect(fixture.called('desktop.preview-load')).toEqual([{ url: 'http://5173-shop-demo-k3f9.localhost:7080/cart' }]);
  });
});

describe('a paste', () => {
  it('of one line goes in; of several is asked about first', async () => {
    const { app: made } = app();
    const terminal = new Terminal({ allowProposedApi: true });
    terminal.open(document.body.appendChild(document.createElement('div')));
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    pasteInto(made, terminal, 'ls\n');
    expect(sent).toEqual(['ls\r']);
    pasteInto(made, terminal, 'rm -rf a\nrm -rf b');
    expect(made.view.dialog).toMatchObject({ kind: 'confirm', title: 'Paste 2 lines?' });
    expect(sent).toHaveLength(1);
  });

  it('is not asked about when the program brackets it', async () => {
    const { app: made } = app();
    const terminal = new Terminal({ allowProposedApi: true });
    terminal.open(document.body.appendChild(document.createElement('div')));
    const sent: string[] = [];
    terminal.onData((data) => sent.push(data));
    await written(terminal, '\x1b[?2004h');
    pasteInto(made, terminal, 'a\nb');
    expect(sent.join('')).toBe('\x1b[200~a\rb\x1b[201~');
  });
});
