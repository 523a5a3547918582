// A headless Chromium spoken to over its debugging pipe: just enough to load pages, press keys and take pictures.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--hide-scrollbars',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--disable-client-side-phishing-detection',
  '--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,CertificateTransparencyComponentUpdater',
  '--metrics-recording-only',
  '--no-pings',
  '--remote-debugging-pipe',
];

export async function openChrome(binary = process.env.CHROMIUM ?? 'chromium') {
  const profile = mkdtempSync(join(tmpdir(), 'look-'));
  const child = spawn(binary, [...FLAGS, `--user-data-dir=${profile}`], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const waiting = new Map();
  const heard = [];
  let next = 0;
  let rest = '';
  child.stdio[4].on('data', (chunk) => {
    const parts = (rest + chunk.toString()).split('\0');
    rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id === undefined) {
        for (const ear of heard) ear(message);
        continue;
      }
      const { resolve, reject } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) reject(new Error(message.error.message));
      else resolve(message.result);
    }
  });
  const send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      next += 1;
      waiting.set(next, { resolve, reject });
      child.stdio[3].write(`${JSON.stringify({ id: next, method, params, sessionId })}\0`);
    });

  /** A fresh page of a size. */
  async function page(width, height) {
    const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
    const to = (method, params) => send(method, params, sessionId);
    await to('Page.enable');
    await to('Runtime.enable');
    await to('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    const complaints = [];
    heard.push((message) => {
      if (message.sessionId !== sessionId) return;
      if (message.method === 'Runtime.exceptionThrown')
        complaints.push(message.params.exceptionDetails.exception?.description ?? message.params.exceptionDetails.text);
      if (message.method === 'Runtime.consoleAPICalled' && message.params.type === 'error')
        complaints.push(message.params.args.map(({ value, description }) => value ?? description).join(' '));
    });
    const run = async (expression) => {
      const { result, exceptionDetails } = await to('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    return {
      complaints,
      run,
      go: (url) => to('Page.navigate', { url }),
      /** Waits until an expression is true. */
      async until(expression, ms = 15_000) {
        const deadline = Date.now() + ms;
        while (!(await run(`Boolean(${expression})`))) {
          if (Date.now() > deadline) throw new Error(`never true: ${expression}\n${complaints.join('\n')}`);
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
      },
      async key(key, { ctrl = false, shift = false, text } = {}) {
        const base = {
          key,
          modifiers: (ctrl ? 2 : 0) + (shift ? 8 : 0),
          code: key.length === 1 ? `Key${key.toUpperCase()}` : key,
          windowsVirtualKeyCode:
            key.length === 1
              ? key.toUpperCase().charCodeAt(0)
              : { Enter: 13, Escape: 27, ArrowDown: 40, ArrowUp: 38, Tab: 9 }[key],
        };
        await to('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...base });
        await to('Input.dispatchKeyEvent', { type: 'keyUp', ...base });
      },
      type: (text) => to('Input.insertText', { text }),
      async click(selector, button = 'left') {
        const { x, y } = await run(
          `(() => { const r = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`,
        );
        for (const type of ['mouseMoved', 'mousePressed', 'mouseReleased'])
          await to('Input.dispatchMouseEvent', {
            type,
            x,
            y,
            button: type === 'mouseMoved' ? 'none' : button,
            clickCount: 1,
          });
      },
      async drag(from, to_) {
        await to('Input.dispatchMouseEvent', { type: 'mouseMoved', ...from });
        await to('Input.dispatchMouseEvent', { type: 'mousePressed', ...from, button: 'left', clickCount: 1 });
        for (let step = 1; step <= 6; step += 1) {
          const at = { x: from.x + ((to_.x - from.x) * step) / 6, y: from.y + ((to_.y - from.y) * step) / 6 };
          await to('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at, button: 'left', buttons: 1 });
        }
        await to('Input.dispatchMouseEvent', { type: 'mouseReleased', ...to_, button: 'left', clickCount: 1 });
      },
      async picture() {
        const { data } = await to('Page.captureScreenshot', { format: 'png' });
        return Buffer.from(data, 'base64');
      },
      close: () => send('Target.closeTarget', { targetId }),
    };
  }

  return {
    page,
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await send('Browser.close').catch(() => child.kill());
      await ended;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
