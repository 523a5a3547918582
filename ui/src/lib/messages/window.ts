// The frame of the window: title bar, commands, shortcuts, notices, closing.
import type { PhaseName } from '../wire';
import { plural } from './plural';

export const title = {
  bar: 'Title bar',
  workspaceMenu: (name: string) => `Actions for ${name}`,
  ready: (time: string) => `ready in ${time}`,
  running: 'running',
  busy: {
    check: 'checking…',
    image: 'getting the image…',
    claim: 'claiming…',
    upload: 'uploading…',
    install: 'installing…',
    build: 'building…',
    start: 'starting…',
    ready: 'waiting for an answer…',
  } satisfies Record<PhaseName, string>,
  creating: 'starting…',
  failed: (phase: PhaseName) => `${phase} failed`,
  failedAny: 'failed',
  paused: 'paused',
  stopped: 'stopped',
  terminated: 'ended',
  deleted: 'deleted',
  stateDetails: 'How the deploy went',
  left: 'Time left',
  kept: 'kept',
  extend: '+15 min',
  extendLong: '+15 min: extend the time left',
  palette: 'Run a command or find anything',
  cpu: 'CPU',
  memory: 'MEM',
  cpuValue: (percent: number) => `${Math.round(percent)} %`,
  usage: (cpu: string, memory: string) => `CPU ${cpu}, memory ${memory}`,
  settings: 'Settings',
  layout: {
    all: 'Layout: all panes',
    preview: 'Layout: preview only',
    terminal: 'Layout: terminal only',
    messages: 'Layout: messages only',
  },
  sidebar: 'Sidebar',
};

export const palette = {
  title: 'Commands',
  none: 'Nothing is called that.',
  choose: 'choose',
  run: 'run',
  close: 'close',
  go: (name: string) => `Go to ${name}`,
  file: 'file',
  settings: 'Open settings',
  shortcuts: 'Show keyboard shortcuts',
  engine: 'Docker engine details',
  engineRetry: 'Look for Docker again',
  themeLight: 'Theme: light',
  themeDark: 'Theme: dark',
  themeSystem: 'Theme: as the system',
  layoutCycle: 'Next layout',
  layoutAll: 'Show all panes',
  layoutPreview: 'Preview only',
  layoutTerminal: 'Terminal only',
  layoutMessages: 'Messages only',
  toggleSidebar: 'Show or hide the sidebar',
  focusPreview: 'Focus the address bar',
  focusTerminal: 'Focus the terminal',
  focusFiles: 'Focus the files',
  nextWorkspace: 'Next workspace',
  previousWorkspace: 'Previous workspace',
  nextTab: 'Next terminal tab',
  previousTab: 'Previous terminal tab',
  tabLeft: 'Terminal: move the tab left',
  tabRight: 'Terminal: move the tab right',
  fontLarger: 'Terminal: larger type',
  fontSmaller: 'Terminal: smaller type',
  fontReset: 'Terminal: usual type',
  find: 'Terminal: find',
  clear: 'Terminal: clear',
  deploySample: (title: string) => `Try the sample ${title}`,
  newWindow: 'Open in a new window',
  showPanel: (name: string) => `Show ${name}`,
  open: 'Commands',
  openAnywhere: 'Commands, from a terminal too',
};

export const shortcuts = {
  title: 'Keyboard shortcuts',
  general: 'General',
  workspace: 'Workspace',
  preview: 'Preview',
  terminal: 'Terminal',
  editor: 'Editor',
};

export const link = {
  lost: 'The connection to the Slipway owner is gone. Trying again…',
  failed: 'Slipway could not start',
  retry: 'Try again',
};

export const notice = {
  ending: (name: string, text: string) => `${name}: ${text}`,
};

export const closing = {
  title: 'Close Slipway?',
  text: (n: number) =>
    `${plural(n, 'workspace runs', 'workspaces run')}. They can go on without the window; what you choose is kept in the settings.`,
  keep: 'Keep running',
  stop: 'Stop them',
};

export const problem = {
  copyReport: 'Report copied',
  started: (name: string) => `Deploying ${name}`,
};
