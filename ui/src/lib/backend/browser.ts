// What stands in for the desktop in a browser tab: clipboard, links, storage, and a frame as the preview. Things only
// a desktop can do (choosing paths, pictures of the page, windows) are refused with a sentence.
import type { Problem } from '../wire';
import type { Backend, DesktopEvent, DesktopName } from './index';

type Bodies = Parameters<Backend['desktop']>[1];

function refuse(what: string): never {
  throw {
    code: 'refused',
    message: `A browser tab cannot ${what}.`,
    hint: 'Use the Slipway app, or `slipway` on the command line.',
  } satisfies Problem;
}

export function browserDesktop(): { call: Backend['desktop']; events: Backend['desktopEvents'] } {
  let sink: (event: DesktopEvent) => void = () => {};
  let frame: HTMLIFrameElement | null = null;

  function pane(): HTMLIFrameElement {
    if (frame === null) {
      frame = document.createElement('iframe');
      frame.title = 'Preview';
      frame.dataset.browserPreview = '';
      Object.assign(frame.style, { position: 'fixed', border: '0', background: 'white', visibility: 'hidden' });
      frame.onload = () => tellPage(false);
      document.body.append(frame);
    }
    return frame;
  }

  function tellPage(loading: boolean): void {
    if (frame !== null) {
      sink({ kind: 'preview', url: frame.src, title: '', loading, can_back: false, can_forward: false });
    }
  }

  async function act(name: DesktopName, body: Bodies): Promise<unknown> {
    const given = body as Record<string, unknown>;
    switch (name) {
      case 'desktop.start':
        return { open: [], samples: [], os: 'linux', version: '', test: false, host_shell: null };
      case 'desktop.preview-place': {
        const { x, y, width, height, visible } = given;
        Object.assign(pane().style, {
          left: `${x}px`,
          top: `${y}px`,
          width: `${width}px`,
          height: `${height}px`,
          visibility: visible ? 'visible' : 'hidden',
        });
        return {};
      }
      case 'desktop.preview-load':
        pane().src = given.url as string;
        tellPage(true);
        return {};
      case 'desktop.preview-act':
        pane().src = pane().src;
        tellPage(true);
        return {};
      case 'desktop.preview-zoom':
        pane().style.zoom = String(given.factor);
        return {};
      case 'desktop.open-external':
        window.open(given.url as string, '_blank', 'noopener,noreferrer');
        return {};
      case 'desktop.clipboard-write':
        await navigator.clipboard.writeText(given.text as string);
        return {};
      case 'desktop.clipboard-read':
        return { text: await navigator.clipboard.readText() };
      case 'desktop.new-window':
        window.open(`?workspace=${encodeURIComponent(given.id as string)}`, '_blank');
        return {};
      case 'desktop.notify': {
        // Only where somebody allowed it in this browser before: nothing of ours asks for it.
        const shown = 'Notification' in window && Notification.permission === 'granted';
        if (shown) new Notification(given.title as string, { body: given.text as string, tag: given.tag as string });
        return { shown };
      }
      case 'desktop.preview-snapshot':
        return refuse('take a picture of the page');
      case 'desktop.choose':
        return refuse('hand over a path on this machine');
      case 'desktop.upload':
        return refuse('read a file of this machine');
      case 'desktop.save-log':
      case 'desktop.download':
        return refuse('write a file on this machine');
      case 'desktop.host-shell':
        return refuse('give you a shell of this machine');
      case 'desktop.interactive':
      case 'desktop.carry-cancel':
      case 'desktop.shortcuts':
      case 'desktop.theme':
      case 'desktop.close':
        return {};
    }
  }

  return {
    call: act as Backend['desktop'],
    events: async (given) => {
      sink = given;
      return () => {
        sink = () => {};
      };
    },
  };
}
