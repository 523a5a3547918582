// Commands about keeping the workspace in front and a folder of this machine in step.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { Command } from './types';

export function sync(app: App): Command[] {
  const workspace = () => app.workspace;
  const current = () => {
    const shown = workspace();
    return shown === null ? null : app.syncing.of(shown);
  };
  const lasts = () => workspace() !== null && workspace()?.state !== 'terminated';
  const folder = () => current()?.dir ?? workspace()?.folder ?? null;
  const on = (run: (id: string, dir: string) => void) => () => {
    const [shown, dir] = [workspace(), folder()];
    if (shown !== null && dir !== null) run(shown.id, dir);
  };
  return [
    {
      id: 'sync-start',
      title: t.sync.startCommand,
      group: 'workspace',
      when: () => lasts() && current() === null && folder() !== null,
      run: on((id, dir) => void app.syncing.start(id, dir, false)),
    },
    {
      id: 'sync-choose',
      title: t.sync.otherCommand,
      group: 'workspace',
      when: () => lasts() && current() === null,
      run: () => {
        const shown = workspace();
        if (shown !== null) void app.syncing.choose(shown.id);
      },
    },
    {
      id: 'sync-both',
      title: t.sync.bothCommand,
      group: 'workspace',
      when: () => lasts() && folder() !== null && current()?.both !== true,
      run: on((id, dir) => app.syncing.askBoth(id, dir)),
    },
    {
      id: 'sync-inward',
      title: t.sync.inwardCommand,
      group: 'workspace',
      when: () => current()?.both === true,
      run: on((id, dir) => void app.syncing.start(id, dir, false)),
    },
    {
      id: 'sync-show',
      title: t.sync.showCommand,
      group: 'workspace',
      when: () => lasts() && (current() !== null || folder() !== null),
      run: () => {
        document.querySelector<HTMLElement>('[data-testid="sync-pill"]')?.click();
      },
    },
    {
      id: 'sync-stop',
      title: t.sync.stopCommand,
      group: 'workspace',
      when: () => current() !== null,
      run: () => {
        const sync = current();
        if (sync !== null) void app.syncing.stop(sync);
      },
    },
  ];
}
