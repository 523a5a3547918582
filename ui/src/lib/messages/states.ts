// What stands in the preview’s place while there is no page.
import type { PhaseName } from '../wire';

export const phases = {
  label: 'Deploy',
  name: {
    check: 'check',
    image: 'image',
    claim: 'claim',
    upload: 'upload',
    install: 'install',
    build: 'build',
    start: 'start',
    ready: 'ready',
  } satisfies Record<PhaseName, string>,
  doing: {
    check: 'Checking what was dropped',
    image: 'Getting the base image',
    claim: 'Claiming a container',
    upload: 'Sending the files in',
    install: 'Installing dependencies',
    build: 'Building',
    start: 'Starting the app',
    ready: 'Waiting for the first answer',
  } satisfies Record<PhaseName, string>,
  state: { waiting: 'waiting', running: 'running', done: 'done', skipped: 'skipped', failed: 'failed' },
  cancel: 'Cancel',
  output: 'Show the output',
  creating: (name: string) => `Starting ${name}`,
  between: 'One moment…',
  of: (done: string, total: string) => `${done} of ${total}`,
};

export const failed = {
  title: (phase: PhaseName) => `The ${phase} step failed`,
  titleAny: 'This workspace failed',
  output: 'The last lines of output',
  command: {
    check: 'Command',
    image: 'Command',
    claim: 'Command',
    upload: 'Command',
    install: 'Install command',
    build: 'Build command',
    start: 'Start command',
    ready: 'Start command',
  } satisfies Record<PhaseName, string>,
  retry: (phase: PhaseName) => `Retry from ${phase}`,
  shell: 'Shell here',
  report: 'Copy report',
  showProcess: 'Show the whole output',
};

export const paused = {
  title: (name: string) => `${name} is paused`,
  text: 'Everything in it stands still, and so does its lease. Resuming goes on where it was.',
  resume: 'Resume',
};

export const stopped = {
  title: (name: string) => `${name} is stopped`,
  text: 'Its files are kept. Starting it again runs the same plan.',
  start: 'Start again',
};

export const ended = {
  title: (name: string) => `The lease of ${name} has ended`,
  text: (left: string) =>
    `It is stopped, and in ${left} it is deleted with its files. Bringing it back starts it as it was.`,
};

export const terminated = {
  title: (name: string) => `The container of ${name} is gone`,
  text: 'It ended outside Slipway or could not be brought back. Drop the zip again to make a new one.',
  remove: 'Delete',
};

export const silent = {
  title: 'Nothing listens yet',
  text: 'The app runs, but no port has been opened. As soon as one is, its page appears here.',
  show: 'Show the output',
};
