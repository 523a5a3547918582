// What changes in the files of the workspace in front, asked for again and again while they are in sight: one question
// waits until there is an answer. The tree and the open files hear of it.
import { asProblem } from '../backend';
import { heard, lookAgain } from '../editor/follow';
import type { FileChanges, WorkspaceId } from '../wire';
import type { App } from './app.svelte';
import { Nap } from './nap';

/** How long one question waits: each answer wakes an idle window. */
const WAIT_MS = 60_000;
/** After a refusal it is asked again, later each time. */
const AGAIN_MS = 1000;
const LONGEST_MS = 30_000;

export class Following {
  #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Begins; the answer ends it. */
  begin(id: WorkspaceId, root: string): () => void {
    const [nap, state] = [new Nap(), { ended: false }];
    const seen = () => document.visibilityState === 'visible' && nap.wake();
    document.addEventListener('visibilitychange', seen);
    void this.#run(id, root, state, nap);
    return () => {
      state.ended = true;
      document.removeEventListener('visibilitychange', seen);
      nap.wake();
    };
  }

  async #run(id: WorkspaceId, root: string, state: { ended: boolean }, nap: Nap): Promise<void> {
    let after: string | undefined;
    let wait = AGAIN_MS;
    while (!state.ended) {
      // Nobody sees it; what changes meanwhile is found when somebody does.
      if (document.visibilityState !== 'visible') {
        await nap.sleep(LONGEST_MS);
        continue;
      }
      try {
        const page = await this.#app.backend.call('file.watch', { id, path: root, after, wait_ms: WAIT_MS });
        if (state.ended) return;
        // Not the first answer of all, or that of another owner.
        const known = after !== undefined;
        after = page.next;
        wait = AGAIN_MS;
        await this.#take(id, page, known);
      } catch (thrown) {
        if (state.ended) return;
        // The workspace stops, or its agent is older and cannot watch: then files are read when somebody asks.
        console.warn('file.watch', asProblem(thrown).message);
        after = undefined;
        await nap.sleep(wait);
        wait = Math.min(wait * 2, LONGEST_MS);
      }
    }
  }

  async #take(id: WorkspaceId, page: FileChanges, known: boolean): Promise<void> {
    const { files, store, view } = this.#app;
    // What a deploy writes is no news.
    const news = known && store.workspace(id)?.state !== 'creating';
    if (files.id === id) {
      files.takeUnwatched(page.unwatched);
      await files.take(page.changes, news);
      if (page.rescan) await files.refresh();
    }
    await heard(this.#app, id, page.changes);
    if (page.rescan) await lookAgain(this.#app, id);
    // What is looked at needs no mark.
    if (view.selected === id && view.file !== null) files.marks.seen(view.file);
  }
}
