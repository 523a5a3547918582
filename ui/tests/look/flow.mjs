// What only a real engine can show: that the preview lies exactly over its place while panes are dragged, that the
// native view makes way for menus, and that the window stays responsive while output floods in. `npm run flow`.
import { openChrome } from './chrome.mjs';
import { enter } from './scenes.mjs';
import { serveFixture } from './serve.mjs';

const site = await serveFixture({ fresh: process.env.STALE === undefined });
const chrome = await openChrome();
const page = await chrome.page(1280, 800);
let failed = 0;
function check(what, right, seen) {
  console.log(`${right ? 'ok  ' : 'FAIL'} ${what}${seen === undefined ? '' : `: ${seen}`}`);
  if (!right) failed += 1;
}
const place = async () => JSON.parse(await page.run("JSON.stringify(fixture.called('desktop.preview-place').at(-1))"));
const box = async () =>
  JSON.parse(
    await page.run(
      "(() => { const { x, y, width, height } = document.querySelector('[data-testid=preview-pane]').getBoundingClientRect(); const [l, t] = [Math.round(x), Math.round(y)]; return JSON.stringify({ x: l, y: t, width: Math.round(x + width) - l, height: Math.round(y + height) - t }); })()",
    ),
  );
const settle = () =>
  page.run('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60))))');
async function matches(what, visible = true) {
  await settle();
  const [sent, real] = [await place(), await box()];
  const near = ['x', 'y', 'width', 'height'].every((side) => Math.abs(sent[side] - real[side]) < 0.01);
  check(what, near && sent.visible === visible, JSON.stringify(sent));
}

await enter(page, site.url, 'ready', 'dark');
await matches('the preview lies over its place');
await page.drag({ x: 700, y: 477 }, { x: 700, y: 380 });
await matches('and after its pane was dragged smaller');
await page.key('b', { ctrl: true });
await matches('and after the sidebar went');
await page.key('b', { ctrl: true });
await page.click('[data-testid=device-tablet]');
await matches('and as a tablet');
await page.click('[data-testid=device-full]');

await page.click('[data-testid=workspace-menu]');
await page.until("document.querySelector('.menu')");
await page.until("fixture.called('desktop.preview-place').at(-1).visible === false");
check('a menu over it hides the native view', true);
check('and shows its picture', await page.run("document.querySelector('[data-testid=preview-pane] img') !== null"));
await page.key('Escape');
await page.until("fixture.called('desktop.preview-place').at(-1).visible === true");
await page.until("document.querySelector('[data-testid=preview-pane] img') === null");
check('closing the menu brings it back', true);

await page.click('[data-testid=layout]');
await matches('preview only');
await page.click('[data-testid=layout]');
await settle();
check('terminal only hides it', (await place()).visible === false);
await page.click('[data-testid=layout]');
await matches('all panes again');

await page.click('[data-testid=terminal]');
await page.type('echo hi');
await page.until("__slipway.terminalText().includes('echo hi')");
check('typing reaches the program and comes back', true);

await page.key('T', { ctrl: true, shift: true });
await page.until("document.querySelectorAll('[data-testid=terminal-tab]').length === 4");
await page.until(
  "document.activeElement?.classList.contains('xterm-helper-textarea') && document.activeElement.closest('[data-testid=terminal]').dataset.process !== 'p-start'",
);
await page.type('whoami');
await page.until("__slipway.terminalText() === 'whoami'");
check('a new terminal has the focus at once', true);
await page.click('[data-process=p-start][data-testid=terminal-tab]');
await page.until("__slipway.terminalText().includes('hmr update')");
check('going back to a tab shows what it had', true);

// 64 MB pushed as fast as acknowledgements allow (at most 1 MiB ahead); meanwhile the longest gap between frames.
const flood = await page.run(`(async () => {
  const key = 'shop-demo-k3f9/p-start';
  const line = 'the quick brown fox jumps over the lazy dog 0123456789 \\x1b[32mok\\x1b[0m\\r\\n';
  const piece = new TextEncoder().encode(line.repeat(Math.ceil(65536 / line.length)));
  const total = 64 * 1024 * 1024;
  const acked = () => fixture.calls.reduce((sum, { name, body }) => (name === 'ack' ? sum + body : sum), 0);
  const before = acked();
  let sent = 0, worst = 0, last = performance.now(), running = true;
  const gaps = [];
  const tick = (now) => { gaps.push(now - last); worst = Math.max(worst, now - last); last = now; if (running) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  const start = performance.now();
  while (sent < total && performance.now() - start < 12000) {
    while (sent - (acked() - before) < 1048576 - piece.length) { fixture.print(key, piece); sent += piece.length; }
    fixture.calls = fixture.calls.filter(({ name }) => name !== 'ack').concat([{ name: 'ack', body: acked() }]);
    await new Promise((done) => setTimeout(done, 1));
  }
  running = false;
  const seconds = (performance.now() - start) / 1000;
  gaps.sort((a, b) => a - b);
  return { mb: sent / 1048576, rate: sent / 1048576 / seconds, worst, p99: gaps[Math.floor(gaps.length * 0.99)] };
})()`);
check(
  'no frame over 100 ms while output floods in',
  flood.worst < 100,
  `${flood.mb.toFixed(0)} MB at ${flood.rate.toFixed(1)} MB/s, worst frame ${flood.worst.toFixed(0)} ms, p99 ${flood.p99.toFixed(0)} ms`,
);

check('nothing was complained about', page.complaints.length === 0, page.complaints.join(' | '));
await chrome.close();
site.close();
process.exitCode = failed === 0 ? 0 : 1;
