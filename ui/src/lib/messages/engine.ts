// The Docker engine, and what to do when there is none.
import type { NetworkProfile } from '../wire';

export const engine = {
  title: 'Docker engine',
  looking: 'Looking for Docker…',
  absent: 'No Docker engine',
  away: 'Docker is away',
  name: (product: string, version: string) => `${product} ${version}`,
  footer: (engine: string, profile: NetworkProfile) => `${engine} · ${profile}`,
  open: (state: string) => `Docker engine: ${state}`,
  connected: 'connected',
  details: 'Details',
  endpoint: 'Address',
  version: 'Version',
  platform: 'Platform',
  lookedAt: 'Where Slipway looked',
  warnings: 'Known weaknesses',
  retry: 'Look again',
  retrying: 'Looks again by itself every few seconds.',
  absentTitle: 'No Docker engine answers',
  absentText: 'Slipway runs code in containers and needs a Docker engine on this machine.',
  todo: 'What to do',
  how: {
    linux: [
      'Install it: `sudo apt-get install docker.io`, or another engine such as Podman.',
      'Start it: `sudo systemctl start docker`',
      'May not be allowed to use it: `sudo usermod -aG docker $USER`, then sign in again.',
    ],
    macos: [
      'Start Docker Desktop, OrbStack, Colima or Rancher Desktop.',
      'None of them here? `brew install --cask docker` installs Docker Desktop.',
    ],
    windows: [
      'Start Docker Desktop, Rancher Desktop or Podman Desktop.',
      'None of them here? `winget install Docker.DockerDesktop` installs Docker Desktop.',
    ],
  },
  settings: 'Use another address…',
};
