// What is done to files in the tree: moved by the pointer, deleted and brought back, dropped in from outside, saved out.
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { App } from '../../src/lib/state/app.svelte';
import type { Row } from '../../src/lib/state/files.svelte';
import { fileEntries } from '../../src/parts/sidebar/fileActions';
import Root from '../../src/Root.svelte';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';

let fixture: Fixture;
let app: App;
const at = (path: string) => document.querySelector<HTMLElement>(`[data-path="${path}"]`);
const rowOf = (path: string) => app.files.rows.find((row): row is Row => row.path === path);
const over = (element: Element | null) => {
  document.elementFromPoint = () => element;
};

beforeEach(async () => {
  localStorage.clear();
  fixture = new Fixture();
  fixture.add(ready);
  app = new App(fixture, null);
  render(Root, { app });
  await app.start();
  await waitFor(() => expect(rowOf('/workspace/README.md')).toBeDefined());
});
afterEach(() => {
  app.stop();
  over(null);
});

/** jsdom has no pointer events of its own. */
const pointer = (target: EventTarget, name: string, x: number, y: number) =>
  fireEvent(target as Element, new MouseEvent(name, { button: 0, clientX: x, clientY: y, bubbles: true }));

async function drag(from: string, onto: string, end: 'up' | 'Escape' = 'up'): Promise<void> {
  await waitFor(() => expect(at(from)).not.toBeNull());
  const source = at(from);
  if (source === null) throw new Error(`${from} is no row`);
  await pointer(source, 'pointerdown', 10, 10);
  over(at(onto));
  await pointer(window, 'pointermove', 12, 11);
  expect(screen.queryByTestId('carried'), 'a click is no drag').toBeNull();
  await pointer(window, 'pointermove', 10, 60);
  expect(screen.getByTestId('carried').textContent).toContain(from.split('/').at(-1));
  if (end === 'up') {
    await pointer(window, 'pointerup', 10, 60);
    // A browser says this too, and it opens nothing.
    await pointer(source, 'click', 10, 60);
    expect(app.view.files).toEqual([]);
  } else await fireEvent.keyDown(window, { key: end });
  expect(screen.queryByTestId('carried')).toBeNull();
}

describe('a row that is dragged', () => {
  it('goes into the folder it is let go over, and comes back', async () => {
    await drag('/workspace/README.md', '/workspace/public');
    const there = '/workspace/public/README.md';
    await waitFor(() =>
      expect(fixture.called('file.rename')).toEqual([{ id: ready.id, from: '/workspace/README.md', to: there }]),
    );
    await fireEvent.click(await screen.findByTestId('notice-act'));
    await waitFor(() =>
      expect(fixture.called('file.rename').at(-1)).toEqual({ id: ready.id, from: there, to: '/workspace/README.md' }),
    );
  });

  it('stays when it is let go where it is, in itself, or with Escape', async () => {
    await drag('/workspace/README.md', '/workspace/index.html');
    await drag('/workspace/src', '/workspace/src');
    await drag('/workspace/README.md', '/workspace/src', 'Escape');
    expect(fixture.called('file.rename')).toEqual([]);
  });
});

describe('a file that is deleted', () => {
  it('is put aside without a question, and one click brings it back', async () => {
    fileEntries(app, ready, rowOf('/workspace/README.md')).remove?.();
    await waitFor(() => expect(rowOf('/workspace/README.md')).toBeUndefined());
    expect(fixture.called('file.remove')).toEqual([
      { id: ready.id, path: '/workspace/README.md', recursive: false, keep: true },
    ]);
    await fireEvent.click(await screen.findByTestId('notice-act'));
    await waitFor(() => expect(fixture.called('file.rename')).toHaveLength(1));
    expect(fixture.called('file.rename')[0]).toMatchObject({ to: '/workspace/README.md' });
  });

  it('that cannot be put aside is deleted for good only after a question', async () => {
    fixture.answers.set('file.remove', (({ keep }: { keep?: boolean }) => {
      if (keep) throw { code: 'wrong-state', message: 'It cannot be put aside.' };
      return {};
    }) as (body: never) => unknown);
    fileEntries(app, ready, rowOf('/workspace/src')).remove?.();
    await fireEvent.click(await screen.findByTestId('confirm'));
    expect(fixture.called('file.remove').at(-1)).toEqual({ id: ready.id, path: '/workspace/src', recursive: true });
  });
});

describe('files from outside', () => {
  const tell = (phase: 'enter' | 'over' | 'drop') =>
    fixture.tell({ kind: 'drag', phase, paths: ['/home/me/photo.png', '/home/me/notes'], over: 'ui', x: 60, y: 300 });

  it('dropped on a folder of the tree go into it, and what is there is asked about', async () => {
    const answers: unknown[] = [
      { written: ['/workspace/src/photo.png'], there: ['/home/me/notes'], left_out: 0, ended: null },
      { written: ['/workspace/src/notes'], there: [], left_out: 1, ended: null },
    ];
    fixture.answers.set('desktop.upload', () => answers.shift());
    over(at('/workspace/src'));
    tell('enter');
    await waitFor(() => expect(screen.getByTestId('drop-overlay').textContent).toContain('/workspace/src'));
    tell('drop');
    await waitFor(() => expect(fixture.called('desktop.upload')).toHaveLength(1));
    expect(fixture.called('desktop.upload')[0]).toEqual({
      id: ready.id,
      paths: ['/home/me/photo.png', '/home/me/notes'],
      into: '/workspace/src',
      replace: false,
    });
    expect((await screen.findByTestId('dialog')).textContent).toContain('notes');
    await fireEvent.click(screen.getByTestId('confirm'));
    await waitFor(() => expect(fixture.called('desktop.upload')).toHaveLength(2));
    expect(fixture.called('desktop.upload')[1]).toMatchObject({ paths: ['/home/me/notes'], replace: true });
    expect(fixture.called('workspace.deploy')).toEqual([]);
  });

  const dropped = async (answer: unknown) => {
    fixture.answers.set('desktop.upload', () => answer);
    over(at('/workspace/src'));
    tell('enter');
    tell('drop');
    return (await screen.findByTestId('notice')).textContent;
  };

  it('that were cancelled say what arrived before, and ask nothing', async () => {
    const ended = { code: 'cancelled', message: 'The copying was cancelled.' };
    expect(await dropped({ written: [], there: ['/home/me/notes'], left_out: 0, ended })).toContain(
      'Cancelled. Nothing was copied into /workspace/src.',
    );
    expect(screen.queryByTestId('dialog')).toBeNull();
  });

  it('of which one fails say why, and what arrived before', async () => {
    const ended = { code: 'storage', message: '/home/me/notes cannot be read.' };
    const said = await dropped({ written: ['/workspace/src/photo.png'], there: [], left_out: 0, ended });
    expect(said).toContain('/home/me/notes cannot be read. 1 thing was copied into /workspace/src before.');
    expect(app.files.marks.of('/workspace/src/photo.png')).not.toBe('changed');
  });

  it('go out as a zip where a person chose', async () => {
    fixture.answers.set('desktop.choose', () => ({ paths: ['/home/me/src.zip'] }));
    fixture.answers.set('desktop.download', () => ({ left_out: 0 }));
    const entry = fileEntries(app, ready, rowOf('/workspace/src')).menu.find(
      (one) => one.kind === 'item' && one.testid === 'download',
    );
    if (entry?.kind !== 'item') throw new Error('it is not offered');
    entry.run();
    await waitFor(() =>
      expect(fixture.called('desktop.download')).toEqual([
        { id: ready.id, path: '/workspace/src', to: '/home/me/src.zip' },
      ]),
    );
    expect(fixture.called('desktop.choose')).toEqual([{ kind: 'save', name: 'src.zip' }]);
  });

  it('that are not saved to the end are not said to be there', async () => {
    fixture.answers.set('desktop.choose', () => ({ paths: ['/home/me/README.md'] }));
    fixture.answers.set('desktop.download', () => {
      throw { code: 'cancelled', message: 'The copying was cancelled.' };
    });
    const entry = fileEntries(app, ready, rowOf('/workspace/README.md')).menu.find(
      (one) => one.kind === 'item' && one.testid === 'download',
    );
    if (entry?.kind !== 'item') throw new Error('it is not offered');
    entry.run();
    const said = await screen.findByTestId('notice');
    expect(said.textContent).toContain('Cancelled. Nothing was written to /home/me/README.md.');
    expect(said.classList).not.toContain('error');
  });
});
