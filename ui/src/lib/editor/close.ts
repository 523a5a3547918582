// Closing an open file; what was typed in it is asked about.
import { nameOf } from '../files/paths';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { OpenFile } from '../state/view.svelte';

export function closeFile(app: App, file: OpenFile): void {
  const drop = () => {
    app.view.files = app.view.files.filter((other) => other.id !== file.id || other.path !== file.path);
    if (app.view.file === file.path) app.view.file = null;
  };
  if (!file.dirty) return drop();
  app.view.dialog = {
    kind: 'confirm',
    title: t.editor.discardTitle(nameOf(file.path)),
    text: t.editor.discardText,
    act: t.editor.discard,
    danger: true,
    run: drop,
  };
}
