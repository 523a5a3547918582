// Commands on the lease of the workspace in front.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import { inGrace } from '../state/facts';
import type { Command } from './types';

export function lease(app: App): Command[] {
  const { act, view } = app;
  const ended = () => app.workspace !== null && inGrace(app.workspace);
  const leased = () => app.workspace !== null && app.workspace.state !== 'terminated';
  const limited = () => leased() && !ended() && app.workspace?.lease.duration_s != null;
  const on = (run: (id: string) => void) => () => {
    if (app.workspace !== null) run(app.workspace.id);
  };
  return [
    {
      id: 'lease-back',
      title: t.lease.back,
      group: 'workspace',
      when: ended,
      run: on((id) => void act.bringBack(id)),
    },
    {
      id: 'lease-hour',
      title: t.lease.extendHour,
      group: 'workspace',
      when: limited,
      run: on((id) => void act.lease(id, { kind: 'extend', seconds: 3600 })),
    },
    {
      id: 'lease-set',
      title: t.lease.set,
      group: 'workspace',
      when: leased,
      run: on((id) => {
        view.dialog = { kind: 'lease', id };
      }),
    },
    {
      id: 'keep',
      title: t.workspace.keep,
      group: 'workspace',
      when: () => limited() || ended(),
      run: on((id) => void act.lease(id, { kind: 'keep' })),
    },
    {
      id: 'lease-expire',
      title: t.lease.expire,
      group: 'workspace',
      when: () => leased() && !ended(),
      run: () => {
        if (app.workspace !== null) act.askExpire(app.workspace);
      },
    },
  ];
}
