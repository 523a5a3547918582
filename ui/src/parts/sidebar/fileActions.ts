// What can be done to a file or folder: each asks where there is something to ask, calls one command and reads the
// tree again, since the container's files send no events.
import Copy from '@lucide/svelte/icons/copy';
import FilePlus from '@lucide/svelte/icons/file-plus';
import FoldVertical from '@lucide/svelte/icons/fold-vertical';
import FolderPlus from '@lucide/svelte/icons/folder-plus';
import Pencil from '@lucide/svelte/icons/pencil';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import SquarePen from '@lucide/svelte/icons/square-pen';
import Trash from '@lucide/svelte/icons/trash-2';
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import { join, nameOf, parentOf, type Row } from '../../lib/state/files.svelte';
import type { Workspace } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';

const checkName = (name: string) =>
  name === '' || name.includes('/') || name === '.' || name === '..' ? t.files.invalidName : null;

async function then(app: App, change: Promise<unknown>): Promise<void> {
  await app.act.attempt(change);
  await app.files.refresh();
}

function askName(app: App, title: string, value: string, act: string, run: (name: string) => void): void {
  app.view.dialog = { kind: 'ask', title, label: t.files.name, value, act, check: checkName, run };
}

function creators(app: App, { id }: Workspace, directory: string): MenuEntry[] {
  const open = () => void app.files.toggle(directory, true);
  const file = (name: string) => {
    if (directory !== app.files.root) open();
    void then(app, app.backend.call('file.write', { id, path: join(directory, name), text: '' }));
  };
  const folder = (name: string) => {
    if (directory !== app.files.root) open();
    void then(app, app.backend.call('file.mkdir', { id, path: join(directory, name) }));
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
      void then(app, app.backend.call('file.rename', { id, from: path, to: join(parentOf(path), name) }));
    });
  const remove = () => {
    app.view.dialog = {
      kind: 'confirm',
      title: t.files.removeTitle(nameOf(path)),
      text: directory ? t.files.removeFolder : t.files.removeFile,
      shown: path,
      act: t.workspace.removeDo,
      danger: true,
      run: () => void then(app, app.backend.call('file.remove', { id, path, recursive: directory })),
    };
  };
  const open = () =>
    void app.act.attempt(import('../../lib/editor/open').then(({ openFile }) => openFile(app, id, path)));
  const menu: MenuEntry[] = [
    ...(directory
      ? creators(app, workspace, path)
      : [{ kind: 'item' as const, label: t.files.open, icon: SquarePen, run: open }]),
    { kind: 'item', label: t.files.copyPath, icon: Copy, run: () => void app.act.copy(path) },
    { kind: 'line' },
    { kind: 'item', label: t.files.rename, icon: Pencil, shortcut: 'F2', run: rename },
    { kind: 'item', label: t.files.remove, icon: Trash, danger: true, shortcut: 'Delete', run: remove },
  ];
  return { menu, rename, remove };
}
