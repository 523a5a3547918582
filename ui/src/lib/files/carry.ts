// Files between this machine and a workspace: dropped on a folder of the tree, and saved out of it.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { FileEntry, WorkspaceId } from '../wire';
import { nameOf } from './paths';

/** So long nothing is said of an upload: most are done by then. */
const LATE_MS = 800;

/** Sends what was dropped; what is there already is asked about once. */
export async function upload(app: App, id: WorkspaceId, paths: string[], into: string, replace = false): Promise<void> {
  const late = setTimeout(() => app.view.say(t.files.uploading(paths.length, into)), LATE_MS);
  const done = await app.act.attempt(app.backend.desktop('desktop.upload', { id, paths, into, replace }));
  clearTimeout(late);
  if (done === undefined) return;
  for (const path of done.written) app.files.marks.own(path);
  const [first] = done.written;
  if (first !== undefined) {
    app.view.say(t.files.uploaded(done.written.length, into, done.left_out));
    if (app.files.id === id) await app.files.reveal(first);
  }
  if (done.there.length === 0) return;
  app.view.dialog = {
    kind: 'confirm',
    title: t.files.replaceTitle(done.there.length),
    text: t.files.replaceText(into),
    shown: done.there.map((path) => path.split(/[/\\]/).at(-1) ?? path).join('\n'),
    act: t.files.replaceDo,
    danger: true,
    run: () => void upload(app, id, done.there, into, true),
  };
}

/** Asks where, and writes a file there, or a folder as a zip. */
export async function download(app: App, id: WorkspaceId, path: string, entry: Pick<FileEntry, 'kind'>): Promise<void> {
  const name = entry.kind === 'directory' ? `${nameOf(path)}.zip` : nameOf(path);
  const chosen = await app.act.attempt(app.backend.desktop('desktop.choose', { kind: 'save', name }));
  const to = chosen?.paths[0];
  if (to === undefined) return;
  const late = setTimeout(() => app.view.say(t.files.saving(name)), LATE_MS);
  const done = await app.act.attempt(app.backend.desktop('desktop.download', { id, path, to }));
  clearTimeout(late);
  if (done !== undefined) app.view.say(t.files.saved(to, done.left_out));
}
