// Every command a person can give, in one list: the palette, the shortcuts and their help all read it.
import type { PageChord } from '../backend';
import { keysOf } from '../keys';
import type { App } from '../state/app.svelte';
import { general } from './general';
import { preview } from './preview';
import { sync } from './sync';
import { terminal } from './terminal';
import type { Command } from './types';
import { workspace } from './workspace';

export type { Command, Group } from './types';

/** Every command there is, usable now or not. */
export function commands(app: App): Command[] {
  return [...general(app), ...workspace(app), ...sync(app), ...preview(app), ...terminal(app)];
}

export function usable(command: Command): boolean {
  return command.when?.() ?? true;
}

/** The keys the desktop takes from the previewed page and tells of; a page can neither press nor block them. */
export function chordsOverPage(all: Command[]): PageChord[] {
  return all.flatMap(({ shortcut, anywhere, page }) => {
    const how = page ?? (anywhere ? 'take' : 'never');
    return shortcut === undefined || how === 'never' ? [] : [{ ...keysOf(shortcut), stay: how === 'stay' }];
  });
}
