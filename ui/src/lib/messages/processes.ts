// The processes of a container and what is sent to them.
import { plural } from './plural';

export const processes = {
  tab: 'Processes',
  label: 'Processes of the container',
  tree: 'Show as a tree',
  columns: { command: 'Command', cpu: 'CPU', memory: 'Memory', ports: 'Ports', age: 'Started' },
  sortBy: (column: string) => `Sort by ${column.toLowerCase()}`,
  pid: (pid: number) => `Process ${pid}`,
  percent: (value: number) => `${value < 10 ? Number(value.toFixed(1)).toLocaleString() : Math.round(value)} %`,
  state: { T: 'stopped', Z: 'ended', D: 'waiting' } as Record<string, string>,
  threads: (n: number) => plural(n, 'thread', 'threads'),
  details: (pid: number, user: string, threads: string, command: string) =>
    `${command}\nprocess ${pid}, user ${user}, ${threads}`,
  total: (n: number) => plural(n, 'process', 'processes'),
  cut: 'Only the first 4,096 are shown.',
  actions: (name: string, pid: number) => `Signal ${name}, process ${pid}`,
  agent: 'Slipway’s own part in the container: it keeps the workspace running.',
  expand: 'Show what it started',
  collapse: 'Hide what it started',
  signals: {
    15: { label: 'End it', note: 'TERM' },
    2: { label: 'Interrupt', note: 'INT' },
    1: { label: 'Hang up', note: 'HUP' },
    19: { label: 'Hold it', note: 'STOP' },
    18: { label: 'Let it go on', note: 'CONT' },
    9: { label: 'Kill it…', note: 'KILL' },
  } as Record<number, { label: string; note: string }>,
  killTree: 'Kill it and all it started…',
  showTerminal: 'Show its output',
  copyCommand: 'Copy command',
  killTitle: (name: string) => `Kill ${name}?`,
  killText: 'It gets no chance to save anything.',
  treeTitle: (name: string, others: number) =>
    others === 0 ? `Kill ${name}?` : `Kill ${name} and ${plural(others, 'other', 'others')}?`,
  treeText: 'It and everything it started end at once, without a chance to save anything.',
  killDo: 'Kill',
  sent: (signal: string, n: number) =>
    n === 0 ? 'It had ended already' : `${signal} sent to ${plural(n, 'process', 'processes')}`,
  paused: 'Paused: they stand still.',
  pausedNone: 'It is paused. Its processes can be seen again once it is resumed.',
  stopped: 'It does not run, so there are no processes.',
  soon: 'Processes show here once its container runs.',
  live: 'Read each second',
  resting: 'Read every 15 s while nobody moves',
  retry: 'Ask again',
};
