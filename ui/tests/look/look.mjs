// Pictures of every state in both themes and sizes, into .look/: `npm run look [-- scene...]`. For eyes, not for CI.
import { mkdirSync, writeFileSync } from 'node:fs';
import { openChrome } from './chrome.mjs';
import { enter, scenes } from './scenes.mjs';
import { serveFixture } from './serve.mjs';

const wanted = process.argv.slice(2).filter((name) => name in scenes);
const names = wanted.length > 0 ? wanted : Object.keys(scenes);
const sizes = (process.env.SIZES ?? '1280x800').split(',').map((size) => size.split('x').map(Number));
const themes = (process.env.THEMES ?? 'dark,light').split(',');
mkdirSync('.look', { recursive: true });
const site = await serveFixture({ fresh: process.env.STALE === undefined });
const chrome = await openChrome();
for (const [width, height] of sizes) {
  for (const theme of themes) {
    for (const name of names) {
      const page = await chrome.page(width, height);
      try {
        await enter(page, site.url, name, theme);
      } catch (thrown) {
        console.error(name, theme, thrown.message);
      }
      writeFileSync(`.look/${name}-${theme}-${width}.png`, await page.picture());
      if (page.complaints.length > 0) console.error(name, theme, page.complaints);
      await page.close();
    }
  }
}
await chrome.close();
site.close();
