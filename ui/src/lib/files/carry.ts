// Files between this machine and a workspace: dropped on a folder of the tree, and saved out of it. How far they are is
// seen in the sidebar (state/carries.svelte.ts); here is what is asked for, and what is said at the end.
import { asProblem } from '../backend';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { FileEntry, Problem, WorkspaceId } from '../wire';
import { nameOf } from './paths';

/** Sends what was dropped; what is there already is asked about once. */
export async function upload(app: App, id: WorkspaceId, paths: string[], into: string, replace = false): Promise<void> {
  const done = await app.act.attempt(app.backend.desktop('desktop.upload', { id, paths, into, replace }));
  if (done === undefined) return;
  const { written, there, left_out, ended } = done;
  for (const path of written) app.files.marks.own(path);
  const [first] = written;
  if (ended === null) {
    if (first !== undefined) app.view.say(t.files.uploaded(written.length, into, left_out));
  } else if (ended.code === 'cancelled') app.view.say(t.files.uploadCancelled(written.length, into));
  else app.view.complain(first === undefined ? ended : cutShort(ended, written.length, into));
  if (first !== undefined && app.files.id === id) await app.files.reveal(first);
  if (there.length === 0 || ended !== null) return;
  app.view.dialog = {
    kind: 'confirm',
    title: t.files.replaceTitle(there.length),
    text: t.files.replaceText(into),
    shown: there.map((path) => path.split(/[/\\]/).at(-1) ?? path).join('\n'),
    act: t.files.replaceDo,
    danger: true,
    run: () => void upload(app, id, there, into, true),
  };
}

/** A failure after some of them arrived. */
function cutShort(problem: Problem, written: number, into: string): Problem {
  return { ...problem, message: `${problem.message} ${t.files.before(written, into)}` };
}

/** Asks where, and writes a file there, or a folder as a zip. */
export async function download(app: App, id: WorkspaceId, path: string, entry: Pick<FileEntry, 'kind'>): Promise<void> {
  const name = entry.kind === 'directory' ? `${nameOf(path)}.zip` : nameOf(path);
  const chosen = await app.act.attempt(app.backend.desktop('desktop.choose', { kind: 'save', name }));
  const to = chosen?.paths[0];
  if (to === undefined) return;
  try {
    const { left_out } = await app.backend.desktop('desktop.download', { id, path, to });
    app.view.say(t.files.saved(to, left_out));
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (problem.code === 'cancelled') app.view.say(t.files.saveCancelled(to));
    else app.view.complain(problem);
  }
}
