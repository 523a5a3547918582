// How a workspace is.
import type { HealthState, RestartPolicy } from '../wire';
import { plural } from './plural';

export const health = {
  word: {
    none: 'not watched',
    starting: 'starting',
    healthy: 'healthy',
    degraded: 'degraded',
    unhealthy: 'unhealthy',
    crashed: 'crashed',
  } satisfies Record<HealthState, string>,
  attention: 'needs attention',
  attentionBar: 'Needs attention',
  since: (time: string) => `since ${time}`,
  restarts: (n: number) => plural(n, 'restart', 'restarts'),
  title: 'How it is',
  state: 'Health',
  why: 'Why',
  restarted: 'Started again by itself',
  policy: 'When the program ends',
  policies: {
    never: 'Leave it ended',
    'on-failure': 'Start it again after a failure',
    always: 'Always start it again',
  } satisfies Record<RestartPolicy, string>,
  policyShort: {
    never: 'Restart: never',
    'on-failure': 'Restart: after a failure',
    always: 'Restart: always',
  } satisfies Record<RestartPolicy, string>,
  output: 'Its last output',
  show: 'Show the last output',
  hide: 'Hide the last output',
  bar: { degraded: 'It answers badly', unhealthy: 'It is not well', crashed: 'It crashed' },
  again: 'It is started again in a moment.',
  restart: 'Restart the app',
};
