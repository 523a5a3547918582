// xterm's colours, read from the tokens of the theme in force.
import type { ITheme } from '@xterm/xterm';

export function readColours(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    background: colour('--term'),
    foreground: colour('--text'),
    cursor: colour('--text'),
    cursorAccent: colour('--term'),
    selectionBackground: colour('--term-selection'),
    scrollbarSliderBackground: colour('--line'),
    scrollbarSliderHoverBackground: colour('--line-strong'),
    scrollbarSliderActiveBackground: colour('--off'),
    overviewRulerBorder: colour('--term'),
    black: colour('--ansi-black'),
    red: colour('--ansi-red'),
    green: colour('--ansi-green'),
    yellow: colour('--ansi-yellow'),
    blue: colour('--ansi-blue'),
    magenta: colour('--ansi-magenta'),
    cyan: colour('--ansi-cyan'),
    white: colour('--ansi-white'),
    brightBlack: colour('--ansi-bright-black'),
    brightRed: colour('--ansi-bright-red'),
    brightGreen: colour('--ansi-bright-green'),
    brightYellow: colour('--ansi-bright-yellow'),
    brightBlue: colour('--ansi-bright-blue'),
    brightMagenta: colour('--ansi-bright-magenta'),
    brightCyan: colour('--ansi-bright-cyan'),
    brightWhite: colour('--ansi-bright-white'),
  };
}
