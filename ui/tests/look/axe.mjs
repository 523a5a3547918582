// axe in a real engine, every state in both themes: `npm run axe`. Fails with what it found.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { openChrome } from './chrome.mjs';
import { enter, scenes } from './scenes.mjs';
import { serveFixture } from './serve.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const wanted = process.argv.slice(2).filter((name) => name in scenes);
const site = await serveFixture({ fresh: process.env.STALE === undefined });
const chrome = await openChrome();
let found = 0;
for (const theme of ['dark', 'light']) {
  for (const name of wanted.length > 0 ? wanted : Object.keys(scenes)) {
    const page = await chrome.page(1280, 800);
    await enter(page, site.url, name, theme);
    // Menus hang from the body, outside every landmark, as the pattern has it; hence no `region`.
    await page.run(axe);
    const violations = await page.run(`(async () => {
      const { violations } = await axe.run({ exclude: [['iframe']] }, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        rules: { region: { enabled: false } },
      });
      return violations.map(({ id, nodes }) =>
        [id, ...nodes.slice(0, 3).map(({ target, failureSummary }) => target + ' ' + failureSummary)].join(' | '));
    })()`);
    for (const violation of violations) console.error(`${name} ${theme}: ${violation.replaceAll('\n', ' ')}`);
    for (const complaint of page.complaints) console.error(`${name} ${theme}: ${complaint}`);
    found += violations.length + page.complaints.length;
    await page.close();
  }
}
await chrome.close();
site.close();
console.log(found === 0 ? 'axe found nothing' : `axe found ${found}`);
process.exitCode = found === 0 ? 0 : 1;
