import { beforeEach, describe, expect, it, vi } from 'vitest';
import { heard, takeTheirs } from '../../src/lib/editor/follow';
import { openFile, saveFile } from '../../src/lib/editor/open';
import { revealChanged } from '../../src/lib/files/reveal';
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

describe('the tree, as the container changes', () => {
  const entry = (name: string, kind: 'file' | 'directory' = 'file') => ({
    name,
    kind,
    size: 1,
    mode: 0o644,
    modified_ms: 1,
    target: null,
  });

  beforeEach(async () => {
    await app.files.show(ready.id, '/workspace');
    await app.files.toggle('/workspace/src');
  });

  it('takes what came, changed and went in its place, without reading anything', async () => {
    const before = fixture.called('file.list').length;
    await app.files.take(
      [
        { path: '/workspace/src/Button.tsx', entry: entry('Button.tsx') },
        { path: '/workspace/src/index.css' },
        { path: '/workspace/closed/else.txt', entry: entry('else.txt') },
      ],
      true,
    );
    expect(names().slice(2, 7)).toEqual(['src', '  App.tsx', '  Button.tsx', '  logo.svg', '  main.tsx']);
    expect(fixture.called('file.list')).toHaveLength(before);
    expect(app.files.marks.of('/workspace/src/Button.tsx')).toBe('self');
    expect(app.files.marks.of('/workspace/src')).toBe('below');
  });

  it('does not mark what we did ourselves, nor what a deploy wrote', async () => {
    app.files.marks.own('/workspace/src/App.tsx');
    await app.files.take([{ path: '/workspace/src/App.tsx', entry: entry('App.tsx') }], true);
    await app.files.take([{ path: '/workspace/src/main.tsx', entry: entry('main.tsx') }], false);
    expect(app.files.marks.all).toEqual([]);
  });

  it('forgets what was in a folder that is gone', async () => {
    await app.files.take([{ path: '/workspace/src/main.tsx', entry: entry('main.tsx') }], true);
    await app.files.take([{ path: '/workspace/src' }], true);
    expect(names()).not.toContain('src');
    expect(app.files.marks.all).toEqual([]);
    fixture.disk.directories['/workspace/src'] = [entry('new.ts')];
    await app.files.take([{ path: '/workspace/src', entry: entry('src', 'directory') }], true);
    await app.files.toggle('/workspace/src', true);
    expect(names()).toContain('  new.ts');
  });

  it('says of folded and unwatched folders that they are not, and reads them when opened', async () => {
    const row = (name: string) => app.files.rows.find((row) => row.kind === 'entry' && row.entry.name === name);
    expect(row('node_modules')).toMatchObject({ unwatched: true });
    expect(row('src')).toMatchObject({ unwatched: false });
    app.files.takeUnwatched(['/workspace/public']);
    expect(row('public')).toMatchObject({ unwatched: true });
    const reads = () => fixture.called('file.list').length;
    const before = reads();
    for (const folder of ['/workspace/node_modules', '/workspace/public', '/workspace/src']) {
      for (let n = 0; n < 3; n += 1) await app.files.toggle(folder);
    }
    // Opened twice each but for the one that is watched.
    expect(reads() - before).toBe(4);
    await app.files.take([{ path: '/workspace/node_modules', entry: entry('node_modules', 'directory') }], true);
    expect(reads() - before).toBe(5);
  });

  it('brings what changed in sight', async () => {
    app.files.collapse();
    await app.files.take([{ path: '/workspace/src/main.tsx', entry: entry('main.tsx') }], true);
    await revealChanged(app);
    expect(app.files.isOpen('/workspace/src')).toBe(true);
    expect(app.files.wanted).toBe('/workspace/src/main.tsx');
  });
});

describe('a file', () => {
  const only = () => {
    const file = app.view.files[0];
    if (file === undefined) throw new Error('no file is open');
    return file;
  };
  const put = (text: string, modified_ms: number) => {
    fixture.disk.files.set(path, { text, modified_ms });
    return heard(app, ready.id, [{ path, entry: fixture.disk.entry(path) }]);
  };

  it('is saved with the change it was read at', async () => {
    await openFile(app, ready.id, path);
    await openFile(app, ready.id, path);
    expect(app.view.files).toHaveLength(1);
    only().dirty = true;
    await saveFile(app, only(), 'mine');
    expect(fixture.disk.files.get(path)?.text).toBe('mine');
    expect(only().dirty).toBe(false);
    await saveFile(app, only(), 'mine again');
    expect(fixture.disk.files.get(path)?.text).toBe('mine again');
  });

  it('that changed unheard of is not overwritten by a save, and both are there to choose from', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    fixture.disk.files.set(path, { text: 'theirs', modified_ms: 999 });
    await saveFile(app, only(), 'mine');
    expect(fixture.disk.files.get(path)?.text).toBe('theirs');
    expect(only().theirs?.text).toBe('theirs');
    takeTheirs(only());
    expect([only().text, only().dirty, only().theirs]).toEqual(['theirs', false, null]);
  });

  it('that changed underneath shows what is there now while nothing was typed', async () => {
    await openFile(app, ready.id, path);
    await put('theirs', 999);
    expect([only().text, only().mark, only().loads, only().theirs]).toEqual(['theirs', 'reloaded', 1, null]);
    await put('theirs', 1000);
    expect(only().loads).toBe(1);
    await saveFile(app, only(), 'mine');
    expect(fixture.disk.files.get(path)?.text).toBe('mine');
  });

  it('that changed underneath keeps what was typed, and mine goes over theirs only when that is chosen', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    await put('theirs', 999);
    expect([only().text === 'theirs', only().theirs?.text]).toEqual([false, 'theirs']);
    await put('theirs again', 1001);
    expect(only().theirs?.text).toBe('theirs again');
    await saveFile(app, only(), 'mine');
    expect(fixture.disk.files.get(path)?.text).toBe('mine');
    expect([only().theirs, only().dirty]).toEqual([null, false]);
  });

  it('that was saved by us and is told of is no news', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    const save = saveFile(app, only(), 'mine');
    await heard(app, ready.id, [{ path, entry: { ...fixture.disk.entry(path), modified_ms: 5 } }]);
    await save;
    expect([only().theirs, only().mark, only().text]).toEqual([null, null, 'mine']);
  });

  it('that is gone says so, can be written again, and comes back by itself', async () => {
    await openFile(app, ready.id, path);
    fixture.disk.files.delete(path);
    fixture.disk.gone.add(path);
    await heard(app, ready.id, [{ path: '/workspace/src' }]);
    expect(only().gone).toBe(true);
    await saveFile(app, only(), 'again');
    expect([only().gone, fixture.disk.files.get(path)?.text]).toEqual([false, 'again']);
  });

  it('that has another name goes by it', async () => {
    await openFile(app, ready.id, path);
    const to = '/workspace/src/Shop.tsx';
    const entry = only().entry;
    fixture.disk.files.delete(path);
    await heard(app, ready.id, [{ path }, { path: to, entry: { ...entry, name: 'Shop.tsx' } }]);
    expect([only().path, only().mark, only().gone, app.view.file]).toEqual([to, 'moved', false, to]);
  });

  it('that cannot be written stays as typed, and why is told', async () => {
    await openFile(app, ready.id, path);
    only().dirty = true;
    fixture.answers.set('file.write', () => {
      throw { code: 'disk-full', message: 'The disk is full.' };
    });
    await saveFile(app, only(), 'mine');
    expect(only().dirty).toBe(true);
    expect(app.view.notices.map(({ text }) => text)).toEqual(['The disk is full.']);
  });
});

describe('following', () => {
  it('asks on from where it was, tells tree and editor, and ends with the asker', async () => {
    await app.files.show(ready.id, '/workspace');
    await openFile(app, ready.id, path);
    const end = app.following.begin(ready.id, '/workspace');
    await vi.waitFor(() => expect(fixture.called('file.watch')).toHaveLength(2));
    fixture.disk.files.set(path, { text: 'theirs', modified_ms: 999 });
    fixture.disk.change([{ path, entry: fixture.disk.entry(path) }], { unwatched: ['/workspace/public'] });
    await vi.waitFor(() => expect(app.view.files[0]?.text).toBe('theirs'));
    // The one that is looked at needs no mark.
    await vi.waitFor(() => expect(app.files.marks.of(path)).toBeNull());
    await vi.waitFor(() => expect(fixture.called('file.watch')).toHaveLength(3));
    expect(fixture.called('file.watch').at(-1)).toMatchObject({ after: 'w-1', wait_ms: 60_000 });
    end();
    fixture.disk.change([]);
    await Promise.resolve();
    expect(fixture.called('file.watch')).toHaveLength(3);
  });

  it('looks at everything anew when changes were lost', async () => {
    await app.files.show(ready.id, '/workspace');
    await openFile(app, ready.id, path);
    const end = app.following.begin(ready.id, '/workspace');
    await vi.waitFor(() => expect(fixture.called('file.watch')).toHaveLength(2));
    const before = fixture.called('file.list').length;
    fixture.disk.files.set(path, { text: 'theirs', modified_ms: 999 });
    fixture.disk.change([], { rescan: true });
    await vi.waitFor(() => expect(app.view.files[0]?.text).toBe('theirs'));
    expect(fixture.called('file.list').length).toBeGreaterThan(before);
    end();
  });
});
