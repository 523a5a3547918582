// The list of workspaces, what can be done to one, and all there were.
import type { WorkspaceSort, WorkspaceState } from '../wire';
import { plural } from './plural';

export const workspace = {
  list: 'Workspaces',
  none: 'Nothing running',
  new: 'New workspace',
  stop: 'Stop',
  start: 'Start again',
  pause: 'Pause',
  resume: 'Resume',
  restart: 'Restart the app',
  rename: 'Rename…',
  extend: 'Extend by 15 minutes',
  keep: 'Keep until I stop it',
  copyUrl: 'Copy address',
  openBrowser: 'Open in browser',
  newWindow: 'Open in a new window',
  showPlan: 'Why this plan?',
  remove: 'Delete…',
  removeTitle: (name: string) => `Delete ${name}?`,
  removeText: 'The container, its files and its terminals go. This cannot be undone.',
  removeDo: 'Delete',
  renameTitle: 'Rename workspace',
  renameLabel: 'Name',
  renameHint: 'Its address stays the same.',
  renameDo: 'Rename',
  renameInvalid: 'A name has 1 to 80 characters.',
  stoppedShort: 'stopped',
  endedShort: 'ended',
  keptShort: 'kept',
  goneShort: (left: string) => `gone in ${left}`,
  noPlan: 'Looking…',
  unknownPlan: 'No plan',
};

export const history = {
  command: 'All workspaces…',
  title: 'All workspaces',
  search: 'Name, id or image',
  state: 'State',
  states: {
    any: 'Every state',
    creating: 'starting',
    running: 'running',
    paused: 'paused',
    failed: 'failed',
    stopped: 'stopped',
    terminated: 'ended',
    deleted: 'deleted',
  } satisfies Record<WorkspaceState | 'any', string>,
  sort: 'Sort by',
  sorts: { created: 'newest first', name: 'name', state: 'state', expires: 'time left' } satisfies Record<
    WorkspaceSort,
    string
  >,
  deleted: 'Also deleted ones, 30 days back',
  total: (n: number) => plural(n, 'workspace', 'workspaces'),
  name: 'Name',
  image: 'Image',
  made: 'Made',
  left: 'Time left',
  none: 'There is none like that.',
  deletedAt: (when: string) => `deleted ${when}`,
  more: 'Loading more…',
  filter: 'Filter workspaces',
  all: 'All workspaces and history',
  noMatch: 'None is called that.',
  lookAll: 'Look among all, also deleted ones',
};

export const plan = {
  title: 'Why this plan?',
  image: 'Image',
  steps: 'What runs',
  evidence: 'What it rests on',
};
