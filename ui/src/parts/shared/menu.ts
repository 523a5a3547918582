// What a menu holds, for the drop-down and the context menu alike.
import type { Component } from 'svelte';

export type MenuEntry =
  | {
      kind: 'item';
      label: string;
      icon?: Component<{ size?: number }>;
      shortcut?: string;
      note?: string;
      danger?: boolean;
      disabled?: boolean;
      checked?: boolean;
      testid?: string;
      run: () => void;
    }
  | { kind: 'title'; label: string }
  /** Opens to the side, by pointer, Enter or the right arrow. */
  | { kind: 'more'; label: string; icon?: Component<{ size?: number }>; entries: MenuEntry[] }
  | { kind: 'line' };

let count = 0;

/** A name for one menu among the things that may cover the preview. */
export function menuName(): string {
  count += 1;
  return `menu-${count}`;
}
