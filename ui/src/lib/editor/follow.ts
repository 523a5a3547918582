// Open files follow the container. A clean one shows what is there now; one that was typed in keeps what was typed and is
// asked about; one that is gone says so, and one that only has another name goes by it.
import { asProblem } from '../backend';
import { isIn, nameOf } from '../files/paths';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { OpenFile } from '../state/view.svelte';
import type { FileChange, FileEntry, WorkspaceId } from '../wire';

const same = (a: FileEntry, b: FileEntry) => a.modified_ms === b.modified_ms && a.size === b.size;

/** Takes what the container tells of changes. */
export async function heard(app: App, id: WorkspaceId, changes: FileChange[]): Promise<void> {
  if (changes.length === 0) return;
  for (const file of app.view.files.filter((open) => open.id === id)) {
    // The last word on it counts.
    const told = changes.findLast(
      ({ path, entry }) => path === file.path || (entry === undefined && isIn(file.path, path)),
    );
    if (told === undefined) continue;
    if (told.entry !== undefined) await changed(app, file);
    else if (!(await renamed(app, file, changes))) await changed(app, file);
  }
}

/** What changed is not known: looks at every open file. */
export async function lookAgain(app: App, id: WorkspaceId): Promise<void> {
  for (const file of app.view.files.filter((open) => open.id === id)) await changed(app, file);
}

/** Looks at what is there now, which may be newer than what was told. */
async function changed(app: App, file: OpenFile): Promise<void> {
  // A save under way knows what it wrote.
  await file.saving;
  try {
    const entry = await app.backend.call('file.stat', { id: file.id, path: file.path });
    if (entry.kind === 'file' && same(entry, file.theirs?.entry ?? file.entry) && !file.gone) return;
    const { text, entry: now } = await app.backend.call('file.read', { id: file.id, path: file.path });
    file.gone = false;
    if (text === file.text) {
      // Written anew with the same content, or back to what it was.
      file.entry = now;
      file.theirs = null;
    } else if (!file.dirty) take(file, text, now);
    else file.theirs = { text, entry: now };
  } catch (thrown) {
    const problem = asProblem(thrown);
    if (problem.code === 'not-found') {
      file.gone = true;
      file.theirs = null;
    } else if (problem.code !== 'wrong-state' && problem.code !== 'agent-lost') {
      app.view.complain(problem);
    }
  }
}

function take(file: OpenFile, text: string | null, entry: FileEntry): void {
  file.text = text;
  file.entry = entry;
  file.dirty = false;
  file.theirs = null;
  file.mark = 'reloaded';
  file.loads += 1;
}

/** A file that went away while one of the same size and moment came is the same file. */
async function renamed(app: App, file: OpenFile, changes: FileChange[]): Promise<boolean> {
  const came = changes.filter(({ entry }) => entry !== undefined && entry.kind === 'file' && same(entry, file.entry));
  const found =
    came.find(({ path }) => nameOf(path) === nameOf(file.path)) ?? (came.length === 1 ? came[0] : undefined);
  if (found === undefined || app.view.files.some(({ id, path }) => id === file.id && path === found.path)) return false;
  try {
    // Still there: it was no move but a copy, or it was written again.
    await app.backend.call('file.stat', { id: file.id, path: file.path });
    return false;
  } catch (thrown) {
    if (asProblem(thrown).code !== 'not-found') return false;
  }
  moved(app, file, found.path);
  file.mark = 'moved';
  return true;
}

/** It goes by another path from now on. */
function moved(app: App, file: OpenFile, to: string): void {
  if (app.view.file === file.path && app.view.selected === file.id) app.view.file = to;
  file.path = to;
  file.gone = false;
}

/** We renamed or moved something ourselves: what is open in it goes along. */
export function movedByUs(app: App, id: WorkspaceId, from: string, to: string): void {
  for (const file of app.view.files) {
    if (file.id === id && isIn(file.path, from)) moved(app, file, to + file.path.slice(from.length));
  }
}

/** Theirs in place of what was typed. */
export function takeTheirs(file: OpenFile): void {
  if (file.theirs === null) return;
  take(file, file.theirs.text, file.theirs.entry);
  file.mark = null;
}

/** What is said of a file for a moment. */
export function markOf(file: OpenFile): string | null {
  if (file.mark === 'reloaded') return t.editor.reloaded;
  return file.mark === 'moved' ? t.editor.moved : null;
}
