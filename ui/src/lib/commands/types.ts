// What a command is.
import type { Shortcut } from '../keys';

export type Group = 'general' | 'workspace' | 'preview' | 'terminal' | 'editor';

export type Command = {
  id: string;
  title: string;
  group: Group;
  shortcut?: Shortcut;
  /** Works while a terminal has the focus, too. */
  anywhere?: boolean;
  /** While the previewed page has the focus: its keys take the focus, leave it there, or are the page's. Absent: as `anywhere`. */
  page?: 'take' | 'stay' | 'never';
  /** Absent: always. */
  when?: () => boolean;
  run: () => void;
};

/** Moves the focus to the first match, if there is one. */
export function focus(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}
