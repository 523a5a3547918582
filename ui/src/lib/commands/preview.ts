// Commands of the preview.
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import { type Command, focus } from './types';

export function preview(app: App): Command[] {
  const { act, page, backend, view } = app;
  const shown = () => app.workspace?.state === 'running' && app.workspace.url !== null;
  const does = (action: 'back' | 'forward' | 'reload' | 'hard-reload') => () =>
    void act.attempt(backend.desktop('desktop.preview-act', { action }));
  const zoom = (next: (now: number) => number) => () => {
    page.zoom = Math.min(3, Math.max(0.25, next(page.zoom)));
    void act.attempt(backend.desktop('desktop.preview-zoom', { factor: page.zoom }));
  };
  return [
    {
      id: 'reload',
      title: t.preview.reload,
      group: 'preview',
      shortcut: 'Mod+R',
      page: 'stay',
      when: shown,
      run: does('reload'),
    },
    { id: 'hard-reload', title: t.preview.hardReload, group: 'preview', when: shown, run: does('hard-reload') },
    {
      id: 'back',
      title: t.preview.back,
      group: 'preview',
      shortcut: 'Alt+ArrowLeft',
      page: 'stay',
      when: () => shown() && page.canBack,
      run: does('back'),
    },
    {
      id: 'forward',
      title: t.preview.forward,
      group: 'preview',
      shortcut: 'Alt+ArrowRight',
      page: 'stay',
      when: () => shown() && page.canForward,
      run: does('forward'),
    },
    {
      id: 'address',
      title: t.palette.focusPreview,
      group: 'preview',
      shortcut: 'Mod+L',
      page: 'take',
      when: shown,
      run: () => focus('[data-testid="preview-url"]'),
    },
    {
      id: 'screenshot',
      title: t.preview.screenshot,
      group: 'preview',
      shortcut: 'Mod+Shift+S',
      anywhere: true,
      when: shown,
      run: () => void act.screenshot(),
    },
    {
      id: 'open-browser',
      title: t.preview.open,
      group: 'preview',
      when: shown,
      run: () => {
        if (app.workspace?.url) void act.openExternal(page.url || app.workspace.url);
      },
    },
    {
      id: 'copy-url',
      title: t.preview.copyUrl,
      group: 'preview',
      when: shown,
      run: () => {
        if (app.workspace?.url) void act.copy(page.url || app.workspace.url);
      },
    },
    { id: 'zoom-in', title: t.preview.zoomIn, group: 'preview', when: shown, run: zoom((now) => now * 1.1) },
    { id: 'zoom-out', title: t.preview.zoomOut, group: 'preview', when: shown, run: zoom((now) => now / 1.1) },
    { id: 'zoom-reset', title: t.preview.zoomReset, group: 'preview', when: shown, run: zoom(() => 1) },
    {
      id: 'device-full',
      title: t.preview.full,
      group: 'preview',
      when: shown,
      run: () => view.place({ device: 'full' }),
    },
    {
      id: 'device-tablet',
      title: t.preview.tablet,
      group: 'preview',
      when: shown,
      run: () => view.place({ device: 'tablet' }),
    },
    {
      id: 'device-phone',
      title: t.preview.phone,
      group: 'preview',
      when: shown,
      run: () => view.place({ device: 'phone' }),
    },
  ];
}
