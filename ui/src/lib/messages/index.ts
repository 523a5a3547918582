// Every word the interface says, a file for each subject. English first; a translation is another object of this shape.
import { create, drop, empty } from './arrival';
import { engine } from './engine';
import { editor, files } from './files';
import { health } from './health';
import { host } from './host';
import { duration, lease } from './lease';
import { logs } from './logs';
import { log, network, panel } from './panel';
import { preview } from './preview';
import { processes } from './processes';
import { limits, metrics } from './resources';
import { settings } from './settings';
import { snapshots } from './snapshots';
import { ended, failed, paused, phases, silent, stopped, terminated } from './states';
import { sync } from './sync';
import { terminal } from './terminal';
import { closing, link, notice, palette, problem, shortcuts, title } from './window';
import { history, plan, workspace } from './workspaces';

export const t = {
  app: 'Slipway',
  close: 'Close',
  cancel: 'Cancel',
  done: 'Done',
  dismiss: 'Dismiss',
  copied: 'Copied',
  loading: 'Loading…',
  search: 'Search',
  chosen: ', chosen',

  title,
  palette,
  shortcuts,
  link,
  notice,
  closing,
  problem,
  workspace,
  history,
  plan,
  drop,
  empty,
  create,
  duration,
  lease,
  health,
  metrics,
  limits,
  snapshots,
  sync,
  engine,
  phases,
  failed,
  paused,
  stopped,
  ended,
  terminated,
  silent,
  preview,
  files,
  editor,
  terminal,
  host,
  panel,
  log,
  logs,
  processes,
  network,
  settings,
};
