// Messages, network and logs.
import { plural } from './plural';

export const panel = {
  pane: 'Messages, network and logs',
  messages: 'Messages',
  network: 'Network',
  logs: 'Logs',
  asked: (n: number) => `${plural(n, 'host', 'hosts')} waiting for an answer`,
  broken: (why: string) => `This could not be shown. Open the window again; if it stays so, tell us: ${why}`,
};

export const log = {
  filter: 'Filter',
  all: 'Everything',
  important: 'Warnings and errors',
  none: 'Nothing yet.',
  noMatch: 'Nothing matches.',
  copy: 'Copy all',
  copyOne: 'Copy message',
  allow: 'Allow here',
  once: 'Once',
  block: 'Block',
  allowed: 'allowed',
  blocked: 'blocked',
  asked: 'asked',
  why: 'Why?',
  extend: 'Extend by 15 min',
  show: 'Show output',
  more: 'Details',
  level: { ok: 'good', info: 'note', ask: 'question', warning: 'warning', error: 'error' },
  earlier: (n: number) => `Show ${plural(n, 'earlier message', 'earlier messages')}`,
  jump: 'Newest',
  follow: 'Follow',
  pause: 'Pause',
  noApp: 'The app has not started yet.',
  dropped: (n: number) => `${plural(n, 'earlier line is', 'earlier lines are')} no longer kept`,
  lines: (n: number) => plural(n, 'line', 'lines'),
};

export const network = {
  none: 'Nothing has tried to reach the network.',
  host: 'Host',
  verdict: 'Verdict',
  traffic: 'Traffic',
  time: 'Time',
  up: (size: string) => `${size} sent`,
  down: (size: string) => `${size} received`,
  openNow: 'open',
};
