// Opening and saving files of a workspace. A save names the change it was read at, so that what something else wrote
// meanwhile is never overwritten without asking.
import { asProblem } from '../backend';
import type { App } from '../state/app.svelte';
import type { OpenFile } from '../state/view.svelte';
import type { WorkspaceId } from '../wire';

/** Reads a file and brings it in front of the preview. */
export async function openFile(app: App, id: WorkspaceId, path: string): Promise<void> {
  if (!app.view.files.some((file) => file.id === id && file.path === path)) {
    const { text, entry } = await app.backend.call('file.read', { id, path });
    app.view.open({ id, path, entry, text });
  }
  app.files.marks.seen(path);
  if (app.view.layout === 'terminal' || app.view.layout === 'messages') app.view.place({ layout: 'all' });
  app.view.file = path;
}

/** Writes the text; where something else wrote meanwhile, it is read and shown beside, and nothing is written. */
export function saveFile(app: App, file: OpenFile, text: string): Promise<void> {
  // After one that is under way, which has the newer moment.
  const save = (file.saving ?? Promise.resolve()).then(() => write(app, file, text));
  file.saving = save;
  return save;
}

async function write(app: App, file: OpenFile, text: string): Promise<void> {
  const { id, path } = file;
  // What was seen last: of the one that was chosen against, or of the one that was read. What is gone is made again.
  const if_modified_ms = file.gone ? undefined : (file.theirs?.entry ?? file.entry).modified_ms;
  app.files.marks.own(path);
  try {
    file.entry = await app.backend.call('file.write', { id, path, text, if_modified_ms });
    file.text = text;
    file.dirty = false;
    file.theirs = null;
    file.gone = false;
    file.mark = null;
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (problem.code === 'wrong-state') await conflict(app, file);
    else app.view.complain(problem);
  }
}

async function conflict(app: App, file: OpenFile): Promise<void> {
  const there = await app.act.attempt(app.backend.call('file.read', { id: file.id, path: file.path }));
  if (there === undefined) return;
  file.dirty = true;
  file.theirs = { text: there.text, entry: there.entry };
}
