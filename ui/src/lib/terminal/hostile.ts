// What a program must not get out of the terminal: text it chose coming back as if it had been typed (cases 27 and 28 of
// the containment list). xterm has no clipboard sequences (OSC 52), no fonts (OSC 50), and no reports of title or window
// without `windowOptions`; what it would answer beyond that is taken away here.
import type { ITerminalOptions, Terminal } from '@xterm/xterm';

/** Said, not left to defaults: a later version may have others. */
export const HARDENED: ITerminalOptions = {
  windowOptions: {},
  allowTransparency: false,
};

/** Before anything is written. */
export function harden(terminal: Terminal): void {
  const ignore = () => true;
  // DECRQSS, and XTGETTCAP: a program asks for settings and gets its own words back.
  terminal.parser.registerDcsHandler({ intermediates: '$', final: 'q' }, ignore);
  terminal.parser.registerDcsHandler({ intermediates: '+', final: 'q' }, ignore);
  for (const sequence of [50, 52]) terminal.parser.registerOscHandler(sequence, ignore);
  // Reports of the window: its title (20, 21) above all.
  terminal.parser.registerCsiHandler({ final: 't' }, ignore);
}
