// What can be done to a file or folder: each asks where there is something to ask, and calls one command. What came of it
// shows in the tree when the container tells, as with any other change.
import Copy from '@lucide/svelte/icons/copy';
import Download from '@lucide/svelte/icons/download';
import FilePlus from '@lucide/svelte/icons/file-plus';
import FoldVertical from '@lucide/svelte/icons/fold-vertical';
import FolderInput from '@lucide/svelte/icons/folder-input';
import FolderPlus from '@lucide/svelte/icons/folder-plus';
import LocateFixed from '@lucide/svelte/icons/locate-fixed';
import Pencil from '@lucide/svelte/icons/pencil';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import SquarePen from '@lucide/svelte/icons/square-pen';
import Trash from '@lucide/svelte/icons/trash-2';
import { asProblem } from '../../lib/backend';
import { movedByUs } from '../../lib/editor/follow';
import { download } from '../../lib/files/carry';
import { join, nameOf, parentOf } from '../../lib/files/paths';
import { revealChanged } from '../../lib/files/reveal';
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import type { Row } from '../../lib/state/files.svelte';
import type { Problem, Workspace, WorkspaceId } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';

const checkName = (name: string) =>
  name === '' || name.includes('/') || name === '.' || name === '..' ? t.files.invalidName : null;

/** Makes something, shows it, and with `open` opens it. */
async function make(app: App, id: WorkspaceId, path: string, change: Promise<unknown>, open: boolean): Promise<void> {
  app.files.marks.own(path);
  if ((await app.act.attempt(change.then(() => true))) === undefined) return;
  await app.files.reveal(path);
  if (open) await app.act.attempt(openIn(app, id, path));
}

/** A file that is there already is not emptied. */
async function created(app: App, id: WorkspaceId, path: string): Promise<void> {
  try {
    await app.backend.call('file.stat', { id, path });
  } catch (thrown) {
    if (asProblem(thrown).code !== 'not-found') throw thrown;
    await app.backend.call('file.write', { id, path, text: '' });
    return;
  }
  throw { code: 'already-exists', message: t.files.exists(nameOf(path)) } satisfies Problem;
}

const openIn = (app: App, id: WorkspaceId, path: string) =>
  import('../../lib/editor/open').then(({ openFile }) => openFile(app, id, path));

/** Another name or place; a moment long it can be taken back. */
export async function move(app: App, id: WorkspaceId, from: string, to: string): Promise<void> {
  if (from === to) return;
  app.files.marks.own(to);
  const done = await app.act.attempt(app.backend.call('file.rename', { id, from, to }).then(() => true));
  if (done === undefined) return;
  movedByUs(app, id, from, to);
  await app.files.take([{ path: from }], false);
  if (app.files.id === id) await app.files.reveal(to);
  const text = parentOf(from) === parentOf(to) ? t.files.renamed(nameOf(to)) : t.files.moved(nameOf(to), parentOf(to));
  app.view.offer(text, { label: t.files.undo, run: () => void back(app, id, to, from) });
}

async function back(app: App, id: WorkspaceId, from: string, to: string): Promise<void> {
  app.files.marks.own(to);
  const done = await app.act.attempt(app.backend.call('file.rename', { id, from, to }).then(() => true));
  if (done === undefined) return;
  movedByUs(app, id, from, to);
  if (app.files.id === id) await app.files.reveal(to);
}

/** Puts it aside; it goes for good when nobody wants it back. */
async function remove(app: App, id: WorkspaceId, path: string, recursive: boolean): Promise<void> {
  let kept: string | null;
  try {
    kept = (await app.backend.call('file.remove', { id, path, recursive, keep: true })).kept ?? null;
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (problem.code !== 'wrong-state') return app.view.complain(problem);
    // It cannot be put aside (it is a part of the image): then only for good.
    app.view.dialog = {
      kind: 'confirm',
      title: t.files.removeTitle(nameOf(path)),
      text: recursive ? t.files.removeFolder : t.files.removeFile,
      shown: path,
      act: t.workspace.removeDo,
      danger: true,
      run: () => void app.act.attempt(app.backend.call('file.remove', { id, path, recursive })),
    };
    return;
  }
  await app.files.take([{ path }], false);
  if (kept === null) return;
  const aside = kept;
  app.view.offer(
    t.files.removed(nameOf(path)),
    { label: t.files.undo, run: () => void back(app, id, aside, path) },
    () => {
      // The workspace may have ended meanwhile, and with it what was put aside.
      app.backend
        .call('file.remove', { id, path: parentOf(aside), recursive: true })
        .catch((thrown: unknown) => console.warn('file.remove', asProblem(thrown).message));
    },
  );
}

function askName(app: App, title: string, value: string, act: string, run: (name: string) => void): void {
  app.view.dialog = { kind: 'ask', title, label: t.files.name, value, act, check: checkName, run };
}

function creators(app: App, { id }: Workspace, directory: string): MenuEntry[] {
  const file = (name: string) => {
    const path = join(directory, name);
    // A file that is there already is not emptied.
    void make(app, id, path, created(app, id, path), true);
  };
  const folder = (name: string) => {
    const path = join(directory, name);
    void make(app, id, path, app.backend.call('file.mkdir', { id, path }), false);
  };
  return [
    {
      kind: 'item',
      label: t.files.newFile,
      icon: FilePlus,
      run: () => askName(app, t.files.newFile, '', t.files.create, file),
    },
    {
      kind: 'item',
      label: t.files.newFolder,
      icon: FolderPlus,
      run: () => askName(app, t.files.newFolder, '', t.files.create, folder),
    },
  ];
}

/** For the whole tree. */
export function treeEntries(app: App, workspace: Workspace): MenuEntry[] {
  return [
    ...creators(app, workspace, workspace.root),
    { kind: 'line' },
    {
      kind: 'item',
      label: t.files.reveal,
      icon: LocateFixed,
      disabled: app.files.marks.all.length === 0,
      testid: 'reveal-changed',
      run: () => void revealChanged(app),
    },
    {
      kind: 'item',
      label: t.files.downloadZip,
      icon: Download,
      run: () => void download(app, workspace.id, workspace.root, { kind: 'directory' }),
    },
    { kind: 'item', label: t.files.refresh, icon: RefreshCw, run: () => void app.files.refresh() },
    { kind: 'item', label: t.files.collapse, icon: FoldVertical, run: () => app.files.collapse() },
  ];
}

type ForRow = { menu: MenuEntry[]; rename?: () => void; remove?: () => void };

/** For one row. */
export function fileEntries(app: App, workspace: Workspace, row: Row | undefined): ForRow {
  if (row?.kind !== 'entry') return { menu: treeEntries(app, workspace) };
  const { id } = workspace;
  const { path, entry } = row;
  const directory = entry.kind === 'directory';
  const rename = () =>
    askName(app, t.files.rename, entry.name, t.workspace.renameDo, (name) => {
      void move(app, id, path, join(parentOf(path), name));
    });
  const moveTo = () => {
    app.view.dialog = {
      kind: 'ask',
      title: t.files.move,
      label: t.files.folder,
      value: parentOf(path),
      act: t.files.moveDo,
      check: (folder) => (folder.startsWith('/') ? null : t.files.notAbsolute),
      run: (folder) => void move(app, id, path, join(folder, entry.name)),
    };
  };
  const removeIt = () => void remove(app, id, path, directory);
  const open = () => void app.act.attempt(openIn(app, id, path));
  const menu: MenuEntry[] = [
    ...(directory
      ? creators(app, workspace, path)
      : [{ kind: 'item' as const, label: t.files.open, icon: SquarePen, run: open }]),
    {
      kind: 'item',
      label: directory ? t.files.downloadZip : t.files.download,
      icon: Download,
      testid: 'download',
      run: () => void download(app, id, path, entry),
    },
    { kind: 'item', label: t.files.copyPath, icon: Copy, run: () => void app.act.copy(path) },
    { kind: 'line' },
    { kind: 'item', label: t.files.rename, icon: Pencil, shortcut: 'F2', run: rename },
    { kind: 'item', label: t.files.move, icon: FolderInput, run: moveTo },
    { kind: 'item', label: t.files.remove, icon: Trash, danger: true, shortcut: 'Delete', run: removeIt },
  ];
  return { menu, rename, remove: removeIt };
}
