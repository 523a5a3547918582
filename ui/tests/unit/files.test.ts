import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openFile, saveFile } from '../../src/lib/editor/open';
import { App } from '../../src/lib/state/app.svelte';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';

const path = '/workspace/src/App.tsx';
let fixture: Fixture;
let app: App;

beforeEach(() => {
  fixture = new Fixture();
  fixture.add(ready);
  app = new App(fixture, null);
  app.view.selected = ready.id;
});

const names = () =>
  app.files.rows.map((row) => (row.kind === 'entry' ? `${'  '.repeat(row.depth)}${row.entry.name}` : `(${row.text})`));

describe('the tree', () => {
  it('reads a folder when it is opened, and once', async () => {
    await app.files.show(ready.id, '/workspace');
    expect(fixture.called('file.list')).toEqual([{ id: ready.id, path: '/workspace' }]);
    await app.files.toggle('/workspace/src');
    await app.files.toggle('/workspace/src');
    await app.files.toggle('/workspace/src');
    expect(fixture.called('file.list')).toHaveLength(2);
    expect(names().slice(2, 5)).toEqual(['src', '  App.tsx', '  index.css']);
  });

  it('says that a folder is empty or cannot be read', async () => {
    await app.files.show(ready.id, '/workspace');
    await app.files.toggle('/workspace/public');
    expect(names()).toContain('(empty)');
    fixture.answers.set('file.list', () => {
      throw { code: 'refused', message: 'no' };
    });
    await app.files.toggle('/workspace/src');
    expect(names()).toContain('(failed)');
  });

  it('keeps what leads to a match when filtered', async () => {
    await app.files.show(ready.id, '/workspace');
    await app.files.toggle('/workspace/src');
    app.files.filter = 'main';
    expect(names()).toEqual(['src', '  main.tsx']);
  });

  it('holds ten thousand entries', async () => {
    await app.files.show(ready.id, '/workspace');
    await app.files.toggle('/workspace/node_modules');
    expect(names()).toHaveLength(10_008);
  });

  it('never shows a listing of a workspace that is no longer in front', async () => {
    let answer: (value: unknown) => void = () => {};
    fixture.answers.set('file.list', () => new Promise((resolve) => (answer = resolve)));
    const first = app.files.show('other', '/workspace');
    fixture.answers.delete('file.list');
    await app.files.show(ready.id, '/workspace');
    answer({ entries: [], truncated: false });
    await first;
    expect(names()).toContain('package.json');
  });
});

describe('a file', () => {
  const only = () => {
    const file = app.view.files[0];
    if (file === undefined) throw new Error('no file is open');
    return file;
  };

  it('is saved with the change it was read at', async () => {
    await openFile(app, ready.id, path);
    await openFile(app, ready.id, path);
    expect(app.view.files).toHaveLength(1);
    only().dirty = true;
    await saveFile(app, only(), 'mine', () => {});
    expect(fixture.files.get(path)?.text).toBe('mine');
    expect(only().dirty).toBe(false);
    await saveFile(app, only(), 'mine again', () => {});
    expect(fixture.files.get(path)?.text).toBe('mine again');
  });

  it('that changed underneath asks which of both is to stay', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    fixture.files.set(path, { text: 'theirs', modified_ms: 999 });
    const loaded: string[] = [];
    await saveFile(app, only(), 'mine', (text) => loaded.push(text));
    expect(fixture.files.get(path)?.text).toBe('theirs');
    expect(only().dirty).toBe(true);
    const { dialog } = app.view;
    if (dialog?.kind !== 'confirm') throw new Error('nothing was asked');
    dialog.other?.run();
    await vi.waitFor(() => expect(loaded).toEqual(['theirs']));
    expect(only().dirty).toBe(false);
  });

  it('that changed underneath can be overwritten', async () => {
    await openFile(app, ready.id, path);
    fixture.files.set(path, { text: 'theirs', modified_ms: 999 });
    await saveFile(app, only(), 'mine', () => {});
    const { dialog } = app.view;
    if (dialog?.kind !== 'confirm') throw new Error('nothing was asked');
    dialog.run();
    await vi.waitFor(() => expect(fixture.files.get(path)?.text).toBe('mine'));
  });

  it('that cannot be written stays as typed, and why is told', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    fixture.answers.set('file.write', () => {
      throw { code: 'disk-full', message: 'The disk is full.' };
    });
    await saveFile(app, only(), 'mine', () => {});
    expect(only().dirty).toBe(true);
    expect(app.view.notices.map(({ text }) => text)).toEqual(['The disk is full.']);
  });
});
