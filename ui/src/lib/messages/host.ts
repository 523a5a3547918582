// The host tab: a shell of this machine.

export const host = {
  tab: 'host',
  open: 'Host shell: a terminal of this machine',
  label: 'Your own machine, no container.',
  warning: 'What you type here runs with all your rights.',
  close: 'Close the host shell',
  closeTitle: 'End the host shell?',
  name: 'Host shell',
  setting: 'Host shell: a tab with a terminal of this machine',
  settingHint: 'outside every container, with all your rights; nothing in a workspace can reach it',
};
