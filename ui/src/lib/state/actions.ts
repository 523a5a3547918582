// What a person can do to workspaces and the window. Each action calls one command; what follows shows when the engine's
// events arrive. A refusal becomes a notice with its hint; nothing is swallowed.
import { asProblem } from '../backend';
import { elapsed, span } from '../format';
import { plain } from '../markup';
import { t } from '../messages';
import type {
  DeployRequest,
  LeaseChange,
  LogQuery,
  PhaseName,
  Problem,
  RestartPolicy,
  Source,
  Workspace,
  WorkspaceId,
} from '../wire';
import type { App } from './app.svelte';
import { failedPhase, inGrace, stateWord } from './facts';
import { keep, kept } from './keep';

const QUARTER_HOUR_S = 900;
/** What a workspace is brought back for when new ones are kept. */
const ANOTHER_S = 3600;

export class Actions {
  #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Waits for an answer; a refusal is told and gives undefined. */
  async attempt<T>(promise: Promise<T>): Promise<T | undefined> {
    try {
      return await promise;
    } catch (thrown) {
      this.#app.view.complain(asProblem(thrown));
      return undefined;
    }
  }

  /** One workspace for each path, or new files for one that exists. */
  async deploy(paths: string[], replace?: WorkspaceId): Promise<void> {
    if (paths.length === 0) {
      this.#app.view.complain({ code: 'invalid', message: t.drop.nothing });
      return;
    }
    const sources = paths.map((path) => ({ kind: 'path', path }) as const);
    await this.#deploy(sources, replace);
  }

  deploySample(name: string): Promise<void> {
    return this.#deploy([{ kind: 'sample', name }]);
  }

  /** One after another; what there is no room for is asked about once, at the end. */
  async #deploy(sources: Source[], replace?: WorkspaceId): Promise<void> {
    const refused: DeployRequest[] = [];
    let why: Problem | null = null;
    for (const source of sources) {
      const request = { source, env: {}, replace };
      try {
        await this.deployAs(request);
      } catch (thrown) {
        const problem = asProblem(thrown);
        if (problem.forceable) {
          refused.push(request);
          why = problem;
        } else this.#app.view.complain(problem);
      }
    }
    if (why !== null) this.#askForce(refused, why);
  }

  /** Deploys, and brings the workspace in front. Rejects with a Problem. */
  async deployAs(request: DeployRequest): Promise<void> {
    const made = await this.#app.backend.call('workspace.deploy', request);
    // An event may have told newer things of it already.
    if (this.#app.store.workspace(made.id) === null) this.#app.store.putWorkspace(made);
    this.#app.view.select(made.id);
  }

  #askForce(requests: DeployRequest[], problem: Problem): void {
    const several = requests.length > 1;
    const names = requests.map(({ source }) => (source.kind === 'path' ? source.path : source.name));
    this.#app.view.askGently({
      kind: 'confirm',
      title: t.create.fullTitle,
      text: `${problem.message} ${t.create.fullHint}`,
      ...(several ? { shown: names.join('\n') } : {}),
      act: several ? t.create.anywayAll(requests.length) : t.create.anyway,
      run: () => void this.#force(requests),
    });
  }

  async #force(requests: DeployRequest[]): Promise<void> {
    for (const request of requests) await this.attempt(this.deployAs({ ...request, force: true }));
  }

  /** The form for a new workspace, of something when it was chosen already. */
  create(source?: Source): void {
    this.#app.view.dialog = { kind: 'create', source };
  }

  async choose(kind: 'zip' | 'folder'): Promise<void> {
    const chosen = await this.attempt(this.#app.backend.desktop('desktop.choose', { kind }));
    if (chosen !== undefined && chosen.paths.length > 0) await this.deploy(chosen.paths);
  }

  stop(id: WorkspaceId) {
    return this.attempt(this.#app.backend.call('workspace.stop', { id }));
  }

  start(id: WorkspaceId) {
    return this.attempt(this.#app.backend.call('workspace.start', { id }));
  }

  cancel(id: WorkspaceId) {
    return this.attempt(this.#app.backend.call('workspace.cancel', { id }));
  }

  redeploy(id: WorkspaceId, from: PhaseName, command?: string) {
    return this.attempt(this.#app.backend.call('workspace.redeploy', { id, from, command }));
  }

  lease(id: WorkspaceId, change: LeaseChange) {
    return this.attempt(this.#app.backend.call('workspace.lease', { id, change }));
  }

  extend(id: WorkspaceId) {
    return this.lease(id, { kind: 'extend', seconds: QUARTER_HOUR_S });
  }

  /** As it was, for as long as a new one lives. */
  bringBack(id: WorkspaceId) {
    const seconds = this.#app.store.settings?.duration_s || ANOTHER_S;
    return this.lease(id, { kind: 'set', seconds });
  }

  askExpire(workspace: Workspace): void {
    const grace = this.#app.store.settings?.grace_s ?? 0;
    this.#app.view.dialog = {
      kind: 'confirm',
      title: t.lease.expireTitle(workspace.name),
      text: grace > 0 ? t.lease.expireText(span(grace)) : t.lease.expireNoGrace,
      act: t.lease.expireDo,
      danger: true,
      run: () => void this.lease(workspace.id, { kind: 'expire' }),
    };
  }

  restartPolicy(id: WorkspaceId, policy: RestartPolicy) {
    return this.attempt(this.#app.backend.call('workspace.restart-policy', { id, policy }));
  }

  /** Says that a lease is about to end, or has ended: outside the window when nobody is at it. */
  async warnOfEnd(workspace: Workspace, said: string, at_ms: number): Promise<void> {
    const text = t.notice.ending(workspace.name, plain(said));
    const { backend, view } = this.#app;
    if (!document.hasFocus()) {
      // Every window hears of it and tells it under the same tag.
      const tag = `${workspace.id}/${at_ms}`;
      const told = await this.attempt(backend.desktop('desktop.notify', { title: t.app, text, tag }));
      if (told?.shown) return;
    }
    const act = inGrace(this.#app.store.workspace(workspace.id) ?? workspace)
      ? { label: t.lease.backShort, run: () => void this.bringBack(workspace.id) }
      : { label: t.lease.extendDo, run: () => void this.extend(workspace.id) };
    view.warn(text, act);
  }

  askRemove(workspace: Workspace): void {
    this.#app.view.dialog = {
      kind: 'confirm',
      title: t.workspace.removeTitle(workspace.name),
      text: t.workspace.removeText,
      act: t.workspace.removeDo,
      danger: true,
      run: () => void this.attempt(this.#app.backend.call('workspace.remove', { id: workspace.id })),
    };
  }

  askRename(workspace: Workspace): void {
    this.#app.view.dialog = {
      kind: 'ask',
      title: t.workspace.renameTitle,
      label: t.workspace.renameLabel,
      value: workspace.name,
      hint: t.workspace.renameHint,
      act: t.workspace.renameDo,
      check: (name) => (name.length >= 1 && [...name].length <= 80 ? null : t.workspace.renameInvalid),
      run: (name) => void this.attempt(this.#app.backend.call('workspace.rename', { id: workspace.id, name })),
    };
  }

  showPlan(workspace: Workspace): void {
    if (workspace.plan !== null) {
      this.#app.view.dialog = { kind: 'plan', name: workspace.name, plan: workspace.plan };
    }
  }

  decide(id: WorkspaceId, host: string, allow: boolean, once: boolean) {
    return this.attempt(this.#app.backend.call('network.decide', { id, host, allow, once }));
  }

  retryEngine() {
    return this.attempt(this.#app.backend.call('engine.retry', {}));
  }

  openExternal(url: string) {
    return this.attempt(this.#app.backend.desktop('desktop.open-external', { url }));
  }

  newWindow(id: WorkspaceId) {
    return this.attempt(this.#app.backend.desktop('desktop.new-window', { id }));
  }

  async copy(text: string, said: string = t.copied): Promise<void> {
    const done = await this.attempt(this.#app.backend.desktop('desktop.clipboard-write', { text }).then(() => true));
    if (done) this.#app.view.say(said);
  }

  /** Asks where, and writes what fits the question there. */
  async saveLog(query: LogQuery, name: string, json: boolean): Promise<void> {
    const { backend, view } = this.#app;
    const suggested = t.logs.fileName(name, json ? 'jsonl' : 'log');
    const chosen = await this.attempt(backend.desktop('desktop.choose', { kind: 'save', name: suggested }));
    const path = chosen?.paths[0];
    if (path === undefined) return;
    const saved = await this.attempt(backend.desktop('desktop.save-log', { query, path, json }));
    if (saved !== undefined) view.say(t.logs.saved(saved.lines, path));
  }

  async screenshot(): Promise<void> {
    const taken = await this.attempt(
      this.#app.backend.desktop('desktop.preview-snapshot', { save: true, clipboard: true }),
    );
    if (taken === undefined) return;
    this.#app.view.say(taken.path ? t.preview.screenshotDone(taken.path) : t.preview.screenshotCopied);
  }

  /** Everything somebody else needs to understand a failure, as text. */
  report(workspace: Workspace): string {
    const phase = failedPhase(workspace);
    const problem: Problem | null = phase?.problem ?? workspace.problem;
    const engine = this.#app.store.engine;
    const lines = [
      `${t.app} ${this.#app.desktop?.version ?? ''} · ${this.#app.desktop?.os ?? ''}`.trim(),
      `Workspace ${workspace.name} (${workspace.id}), ${stateWord(workspace)}, image ${workspace.image}`,
      `Engine ${engine?.product ?? 'none'} ${engine?.version ?? ''} ${engine?.platform ?? ''}`.trim(),
      ...(workspace.plan === null ? [] : [`Plan ${workspace.plan.title}: ${workspace.plan.why}`]),
      '',
      ...workspace.phases
        .filter(({ state }) => state !== 'skipped')
        .map(({ name, state, elapsed_ms, command }) =>
          [name, state, elapsed_ms === null ? null : elapsed(elapsed_ms), command].filter(Boolean).join('  '),
        ),
      ...(problem === null
        ? []
        : ['', `${problem.code}: ${problem.message}`, problem.hint ?? '', problem.detail ?? '']),
    ];
    return `${lines.join('\n').trim()}\n`;
  }

  /** Asks once whether workspaces go on without the window; from then on the setting decides. */
  closeWindow(): void {
    const { backend, store, view } = this.#app;
    const settings = store.settings;
    const running = store.workspaces.filter(({ state }) => state === 'running' || state === 'creating').length;
    const close = async (keep: boolean) => {
      if (settings !== null && settings.keep_on_close !== keep) {
        await this.attempt(backend.call('settings.set', { ...settings, keep_on_close: keep }));
      }
      await this.attempt(backend.desktop('desktop.close', { keep }));
    };
    if (running === 0 || kept('asked-closing', false)) {
      void close(settings?.keep_on_close ?? true);
      return;
    }
    const answer = (keepThem: boolean) => () => {
      keep('asked-closing', true);
      void close(keepThem);
    };
    view.dialog = {
      kind: 'confirm',
      title: t.closing.title,
      text: t.closing.text(running),
      act: t.closing.keep,
      other: { label: t.closing.stop, run: answer(false) },
      run: answer(true),
    };
  }
}
