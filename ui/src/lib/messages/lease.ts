// How long a workspace lives.

export const duration = {
  amount: 'How many',
  unit: 'Unit of time',
  units: { minutes: 'minutes', hours: 'hours', days: 'days', keep: 'until I stop it' },
  number: 'A number, such as 30 or 1.5.',
  range: 'From 1 minute to 30 days',
  short: 'At least 1 minute.',
  long: 'At most 30 days; `until I stop it` has no end.',
};

export const lease = {
  menu: (word: string) => `Time left: ${word}. Change it`,
  paused: (left: string) => `${left}, paused`,
  gone: (left: string) => `deleted in ${left}`,
  extendQuarter: 'Extend by 15 minutes',
  extendHour: 'Extend by 1 hour',
  shorten: 'Shorten by 15 minutes',
  set: 'Set the time left…',
  setTitle: (name: string) => `How long ${name} goes on`,
  setLabel: 'Time left from now',
  setDo: 'Set',
  ends: (at: string) => `It is stopped at ${at}.`,
  kept: 'It goes on until you stop it.',
  pause: 'Pause: everything stands still',
  resume: 'Resume',
  keep: 'Keep until I stop it',
  expire: 'End it now…',
  expireTitle: (name: string) => `End the lease of ${name} now?`,
  expireText: (grace: string) =>
    `It is stopped. For ${grace} it can be brought back as it was with one click; then it is deleted with its files.`,
  expireNoGrace: 'It is stopped and deleted with its files.',
  expireDo: 'End it now',
  back: 'Bring back as it was',
  backShort: 'Bring back',
  extendDo: 'Extend by 15 min',
};
