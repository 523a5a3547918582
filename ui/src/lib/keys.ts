// Shortcuts: written once as `Mod+Shift+P`, matched against key events and shown the way each system shows them.

/** `Mod` is Cmd on macOS and Ctrl elsewhere. */
export type Shortcut = string;

type Chord = { mod: boolean; ctrl: boolean; shift: boolean; alt: boolean; key: string };

function read(shortcut: Shortcut): Chord {
  const parts = shortcut.split('+');
  const key = parts.pop() || '+';
  const has = (name: string) => parts.includes(name);
  return { mod: has('Mod'), ctrl: has('Ctrl'), shift: has('Shift'), alt: has('Alt'), key: key.toLowerCase() };
}

const SHOWN: Record<string, string> = {
  arrowup: '↑',
  arrowdown: '↓',
  arrowleft: '←',
  arrowright: '→',
  escape: 'Esc',
  enter: 'Enter',
  tab: 'Tab',
  pageup: 'PgUp',
  pagedown: 'PgDn',
};

export function shown(shortcut: Shortcut, mac: boolean): string {
  const chord = read(shortcut);
  const key = SHOWN[chord.key] ?? (chord.key.length === 1 ? chord.key.toUpperCase() : chord.key);
  const names = mac
    ? [chord.ctrl && '⌃', chord.alt && '⌥', chord.shift && '⇧', chord.mod && '⌘']
    : [(chord.mod || chord.ctrl) && 'Ctrl', chord.alt && 'Alt', chord.shift && 'Shift'];
  return [...names.filter((name) => name !== false), key].join(mac ? '' : ' ');
}

export function matches(event: KeyboardEvent, shortcut: Shortcut, mac: boolean): boolean {
  const chord = read(shortcut);
  const mod = mac ? event.metaKey : event.ctrlKey;
  const ctrl = mac ? event.ctrlKey : chord.mod ? chord.ctrl : event.ctrlKey;
  if (mod !== (chord.mod || (!mac && chord.ctrl))) return false;
  if (mac && ctrl !== chord.ctrl) return false;
  if (!mac && event.metaKey) return false;
  if (event.altKey !== chord.alt) return false;
  const key = event.key.toLowerCase();
  // A key such as `?` or `+` already contains its shift.
  const shiftCounts = /^[a-z0-9]$|^.{2,}$/.test(chord.key);
  if (shiftCounts && event.shiftKey !== chord.shift) return false;
  return key === chord.key || (chord.key === '=' && key === '+');
}

/** The same shortcut as the keys of a desktop without Cmd. */
export function keysOf(shortcut: Shortcut): { key: string; ctrl: boolean; shift: boolean; alt: boolean } {
  const { mod, ctrl, shift, alt, key } = read(shortcut);
  return { key, ctrl: mod || ctrl, shift, alt };
}
