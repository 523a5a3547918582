// Bringing changed files in sight.
import type { App } from '../state/app.svelte';

/** What something else changed, the newest in sight; the others' folders open too. */
export async function revealChanged(app: App): Promise<void> {
  const REVEALED = 20;
  app.view.sidebar = true;
  for (const path of app.files.marks.all.slice(-REVEALED)) await app.files.reveal(path);
}
