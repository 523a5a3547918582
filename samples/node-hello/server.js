// One file, no dependencies: a page at / and the process's own figures at /api/now.
const http = require('node:http');

const port = Number(process.env.PORT) || 3000;
const started = Date.now();

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hello from Node</title>
<style>
  :root { color-scheme: light dark; --bg: #f3f6f4; --ink: #16241d; --soft: #5a6b62; --card: #fff; --line: #dde5e0; --leaf: #2f7d4f }
  @media (prefers-color-scheme: dark) { :root { --bg: #0f1512; --ink: #e6efe9; --soft: #93a59b; --card: #161e1a; --line: #26312b; --leaf: #6fcf97 } }
  * { box-sizing: border-box; margin: 0 }
  body { min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--bg); color: var(--ink); font: 15px/1.5 Inter, system-ui, sans-serif }
  main { width: min(520px, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 18px; padding: 34px 36px }
  svg { display: block; margin-bottom: 18px }
  h1 { font-size: 30px; letter-spacing: -.02em; line-height: 1.15 }
  p { color: var(--soft); margin-top: 8px }
  dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 20px; margin-top: 22px; padding-top: 20px; border-top: 1px solid var(--line); font-variant-numeric: tabular-nums }
  dt { color: var(--soft) } dd { margin: 0; text-align: right; font-weight: 500 }
</style>
<main>
  <svg width="44" height="44" viewBox="0 0 44 44" fill="none" stroke="var(--leaf)" stroke-width="3" stroke-linejoin="round">
    <path d="M22 3 38.5 12.500v19L22 41 5.5 31.500v-19Z"/><path d="M22 22v19M22 22 5.5 12.500M22 22l16.5-9.5"/>
  </svg>
  <h1>Hello from Node</h1>
  <p>One file and no dependencies. It began to listen before you could blink.</p>
  <dl>
    <dt>Node</dt><dd id="node">&hellip;</dd>
    <dt>Memory</dt><dd id="memory">&hellip;</dd>
    <dt>Running for</dt><dd id="up">&hellip;</dd>
    <dt>Requests</dt><dd id="requests">&hellip;</dd>
  </dl>
</main>
<script>
  async function refresh() {
    const now = await (await fetch('/api/now')).json();
    for (const [id, text] of Object.entries(now)) document.getElementById(id).textContent = text;
  }
  refresh();
  setInterval(refresh, 1000);
</script>
</html>
`;

let requests = 0;

const server = http.createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  } else if (path === '/api/now') {
    requests += 1;
    const now = {
      node: process.version,
      memory: `${(process.memoryUsage.rss() / 1e6).toFixed(1)} MB`,
      up: `${Math.round((Date.now() - started) / 1000)} s`,
      requests: String(requests),
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(now));
  } else {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Nothing here.\n');
  }
});

server.listen(port, () => console.log(`Listening on http://localhost:${port}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)));
