// What is done when a program ends by itself, as entries of a menu.
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import type { RestartPolicy, Workspace } from '../../lib/wire';
import type { MenuEntry } from '../shared/menu';

export const POLICIES = Object.keys(t.health.policies) as RestartPolicy[];

export function policyEntries(app: App, workspace: Workspace): MenuEntry[] {
  return POLICIES.map((policy) => ({
    kind: 'item',
    label: t.health.policies[policy],
    checked: workspace.restart === policy,
    testid: `policy-${policy}`,
    run: () => void app.act.restartPolicy(workspace.id, policy),
  }));
}
