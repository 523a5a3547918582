// Opening and saving files of a workspace. A save names the change it was read at, so that what something else wrote
// meanwhile is never overwritten without asking.
import { asProblem } from '../backend';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import { nameOf } from '../state/files.svelte';
import type { OpenFile } from '../state/view.svelte';
import type { WorkspaceId } from '../wire';

/** Reads a file and brings it in front of the preview. */
export async function openFile(app: App, id: WorkspaceId, path: string): Promise<void> {
  if (!app.view.files.some((file) => file.id === id && file.path === path)) {
    const { text, entry } = await app.backend.call('file.read', { id, path });
    app.view.files.push({ id, path, entry, text, dirty: false });
  }
  if (app.view.layout === 'terminal' || app.view.layout === 'messages') app.view.place({ layout: 'all' });
  app.view.file = path;
}

/** Writes the text; on a conflict asks which of both is to stay. `loaded` gets the text when theirs is taken. */
export async function saveFile(app: App, file: OpenFile, text: string, loaded: (text: string) => void): Promise<void> {
  const write = async (guarded: boolean) => {
    const { id, path } = file;
    const if_modified_ms = guarded ? file.entry.modified_ms : undefined;
    file.entry = await app.backend.call('file.write', { id, path, text, if_modified_ms });
    file.text = text;
    file.dirty = false;
  };
  try {
    await write(true);
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (problem.code !== 'wrong-state') {
      app.view.complain(problem);
      return;
    }
    app.view.dialog = {
      kind: 'confirm',
      title: t.editor.conflictTitle(nameOf(file.path)),
      text: t.editor.conflictText,
      act: t.editor.overwrite,
      danger: true,
      other: { label: t.editor.reload, run: () => void app.act.attempt(reload(app, file, loaded)) },
      run: () => void app.act.attempt(write(false)),
    };
  }
}

async function reload(app: App, file: OpenFile, loaded: (text: string) => void): Promise<void> {
  const { text, entry } = await app.backend.call('file.read', { id: file.id, path: file.path });
  file.entry = entry;
  file.text = text;
  file.dirty = false;
  loaded(text ?? '');
}
