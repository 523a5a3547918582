// Puts the window on the page for whichever backend it is given; the tests' fixture uses the same way in.
import '@fontsource-variable/inter';
import '@fontsource-variable/jetbrains-mono';
import './tokens.css';
import './base.css';
import { mount, unmount } from 'svelte';
import type { Backend } from './lib/backend';
import { ensureLanguage } from './lib/language';
import { App } from './lib/state/app.svelte';
import Root from './Root.svelte';
import type { TestHook } from './testHook';

declare global {
  interface Window {
    __slipway?: TestHook;
  }
}

const FONT_WAIT_MS = 150;

/** Type is measured before the first paint, so nothing moves when the fonts arrive. */
async function fonts(): Promise<void> {
  const wanted = ['400 13px "Inter Variable"', '600 13px "Inter Variable"'].map((font) => document.fonts.load(font));
  const late = new Promise((resolve) => setTimeout(resolve, FONT_WAIT_MS));
  await Promise.race([Promise.all(wanted), late]);
}

/** When the first pixels stood there, milliseconds since 1970; null where the webview does not tell. */
function paintedAt(): number | null {
  const paint = performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint');
  return paint === undefined ? null : performance.timeOrigin + paint.startTime;
}

/** Two frames: the first has laid out and painted what is there, so a click would be answered now. */
function reportInteractive(backend: Backend): void {
  const report = () => {
    backend.desktop('desktop.interactive', { painted_at_ms: paintedAt() }).catch(() => console.warn('interactive'));
  };
  requestAnimationFrame(() => requestAnimationFrame(report));
}

export async function boot(backend: Backend): Promise<() => void> {
  ensureLanguage(navigator);
  const target = document.getElementById('app');
  if (target === null) throw new Error('the page has no #app');
  const only = new URLSearchParams(location.search).get('workspace');
  const app = new App(backend, only);
  // The questions are asked before there is anything to show the answers on: both take their time.
  const started = app.start().then(async () => {
    if (app.desktop?.test) window.__slipway = (await import('./testHook')).testHook(app);
  });
  await fonts();
  const root = mount(Root, { target, props: { app } });
  reportInteractive(backend);
  await started;
  return () => {
    app.stop();
    void unmount(root);
  };
}
