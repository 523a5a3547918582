// Every command a person can give, in one list: the palette, the shortcuts and their help all read it.
import type { App } from '../state/app.svelte';
import { general } from './general';
import { preview } from './preview';
import { terminal } from './terminal';
import type { Command } from './types';
import { workspace } from './workspace';

export type { Command, Group } from './types';

/** Every command there is, usable now or not. */
export function commands(app: App): Command[] {
  return [...general(app), ...workspace(app), ...preview(app), ...terminal(app)];
}

export function usable(command: Command): boolean {
  return command.when?.() ?? true;
}
