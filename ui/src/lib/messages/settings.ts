// Settings.
import type { NetworkProfile, Preset, Theme } from '../wire';
import { plural } from './plural';

export const settings = {
  title: 'Settings',
  save: 'Save',
  saving: 'Saving…',
  look: 'Look',
  theme: 'Theme',
  themes: { system: 'As the system', light: 'Light', dark: 'Dark' } satisfies Record<Theme, string>,
  font: 'Terminal type size',
  fontHint: 'Pixels, 8 to 32',
  life: 'New workspaces',
  duration: 'Time until stopped',
  durationHint: 'Minutes; 0 keeps it until you stop it',
  grace: 'Kept after that for',
  graceHint: 'Minutes a stopped one stays, then it goes',
  preset: 'Memory and CPU',
  presets: { small: 'Small · 512 MB', medium: 'Medium · 2 GB', large: 'Large · 4 GB, 2 cores' } satisfies Record<
    Preset,
    string
  >,
  network: 'Containment',
  networks: {
    strict: 'Strict: no network but the allowlist',
    open: 'Open: full network, root allowed',
  } satisfies Record<NetworkProfile, string>,
  networkWarning: 'Code in an open workspace can reach your network and everything in it.',
  timeout: 'Time an app may take to listen',
  timeoutHint: 'Seconds',
  idle: 'Stopped when nobody uses it for',
  idleHint: 'Minutes without typing, requests and computing; 0: never for that',
  disk: 'May write at most',
  diskHint: 'MiB in its container; 0: no limit',
  diskWrong: '0, or at least 64.',
  log: 'Log kept of each',
  logHint: 'MiB on this machine; the oldest lines go first',
  pool: 'Kept warm',
  poolSize: 'Containers at most',
  poolHint: 'Ready for the next deploy; empty: as usual, 0: none',
  poolNow: (ready: number, size: number) => `${ready} of at most ${size} ready`,
  poolServed: (claimed: number, missed: number) =>
    claimed + missed === 0
      ? 'no deploy yet'
      : `${claimed} of ${plural(claimed + missed, 'deploy', 'deploys')} found one`,
  poolPressure: 'None is added with over 90 % of the memory used; over 95 % they are given back.',
  poolAbsent: 'The pool does not answer now.',
  reach: 'Network',
  hosts: 'Hosts every workspace may reach',
  hostsHint: 'One a line; `*.example.org` for all below it. Package registries are always in.',
  ask: 'Ask about unknown hosts',
  askHint: 'otherwise they are blocked',
  trust: 'Give containers the certificates this machine trusts',
  window: 'Closing',
  keep: 'Workspaces go on when the window is closed',
  engine: 'Docker engine',
  host: 'Engine address',
  hostHint: 'Empty: find it. Such as `unix:///var/run/docker.sock` or `ssh://me@machine`.',
  between: (low: number, high: number) => `A whole number from ${low.toLocaleString()} to ${high.toLocaleString()}.`,
  badHost: (host: string) => `“${host}” is not a host name.`,
  hostsField: 'allow_hosts',
};
