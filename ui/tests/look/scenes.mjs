// The states a person can meet, and how to get there from the fixture.
const idle = 'new Promise((done) => setTimeout(done, 350))';

export const scenes = {
  ready: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')?.textContent.includes('hmr update') && document.querySelector('[aria-label^=CPU]')",
  },
  empty: { state: 'empty', wait: "document.querySelector('[data-testid=sample]')" },
  deploying: { state: 'deploying', wait: "document.querySelector('[data-testid=phase-image]')" },
  failed: {
    state: 'failed',
    wait: "document.querySelector('[data-testid=error-title]') && document.querySelector('.xterm-rows')?.textContent.includes('E404')",
  },
  paused: { state: 'paused', wait: "document.querySelector('[data-testid=paused]')" },
  stopped: { state: 'stopped', wait: "document.querySelector('[data-testid=stopped]')" },
  terminated: { state: 'terminated', wait: "document.querySelector('[data-testid=terminated]')" },
  silent: { state: 'silent', wait: "document.querySelector('[data-testid=silent]')" },
  absent: { state: 'absent', wait: "document.querySelector('[data-testid=engine-absent]')" },
  lost: { state: 'lost', wait: "document.querySelector('[data-testid=engine-absent]')" },
  palette: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')?.textContent.includes('hmr update')",
    async act(page) {
      await page.key('k', { ctrl: true });
      await page.until("document.querySelector('[data-testid=palette-input]')");
      await page.type('re');
    },
  },
  settings: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=settings]');
      await page.until("document.querySelector('#settings')");
    },
  },
  shortcuts: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run('document.activeElement?.blur()');
      await page.key('?', { shift: true, text: '?' });
      await page.until("document.querySelector('[data-testid=dialog]')");
    },
  },
  engine: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=engine-status]');
      await page.until("document.querySelector('[data-testid=dialog]')");
    },
  },
  menu: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=workspace-menu]');
      await page.until("document.querySelector('.menu')");
    },
  },
  phases: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=state-pill]');
      await page.until("document.querySelector('.menu.pop')");
    },
  },
  sync: {
    state: 'synced',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=sync-pill]');
      await page.until("document.querySelector('[data-testid=sync-details]')");
    },
  },
  synchalted: {
    state: 'halted',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=sync-pill]');
      await page.until("document.querySelector('[data-testid=sync-again]')");
    },
  },
  remove: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=workspace-menu]');
      await page.until("document.querySelector('[data-testid=remove]')");
      await page.click('[data-testid=remove]');
      await page.until("document.querySelector('[data-testid=confirm]')");
    },
  },
  drop: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run(
        "fixture.tell({ kind: 'drag', phase: 'enter', paths: ['/home/me/shop.zip'], over: 'ui', x: 300, y: 300 })",
      );
      await page.until("document.querySelector('[data-testid=drop-overlay]')");
    },
  },
  dropbad: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run(
        "fixture.answers.set('intake.inspect', () => { throw { code: 'refused', message: 'That is a PDF, not a zip.' }; }); fixture.tell({ kind: 'drag', phase: 'enter', paths: ['/home/me/invoice.pdf'], over: 'ui', x: 900, y: 300 })",
      );
      await page.until("document.querySelector('[data-testid=drop-overlay]')");
    },
  },
  carries: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows') && document.querySelector('#file-2')",
    async act(page) {
      await page.run(
        "(() => { const one = { kind: 'carry', carry: 1, id: 'shop-demo-k3f9', way: 'in', name: 'harbour-at-dawn-uncompressed.mov', place: '/workspace/src/assets', nth: 2, of: 3, done: 412e6, total: 1.3e9, cancelled: false }; fixture.tell(one); fixture.tell({ ...one, carry: 2, way: 'out', name: 'public.zip', place: '/home/me/Downloads', nth: 1, of: 1, done: 84e6, total: null }); fixture.tell({ ...one, carry: 3, name: 'notes', id: 'old-landing-k3f9', of: 1, nth: 1, cancelled: true }); })()",
      );
      await page.until("document.querySelectorAll('[data-testid=carry]').length === 3");
    },
  },
  carrieswide: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await scenes.carries.act(page);
      await page.key('b', { ctrl: true });
      await page.until("!document.querySelector('[data-testid=engine-status]')");
    },
  },
  editor: {
    state: 'ready',
    wait: "document.querySelector('#file-2')",
    async act(page) {
      await page.click('#file-2');
      await page.until("document.querySelector('#file-3')?.textContent.includes('App.tsx')");
      await page.click('#file-3');
      await page.until("document.querySelector('.cm-content')");
      await page.click('.cm-line:nth-child(5)');
      await page.type(' // mine');
    },
  },
  conflict: {
    state: 'ready',
    wait: "document.querySelector('#file-2')",
    async act(page) {
      await scenes.editor.act(page);
      await page.run(
        "(() => { const path = '/workspace/src/App.tsx'; const { disk } = fixture; disk.files.set(path, { text: disk.files.get(path).text.replace('in the cart</p>', 'in your cart</p>').replace('a shop', 'a shop'), modified_ms: 9 }); disk.change([{ path, entry: disk.entry(path) }, { path: '/workspace/README.md', entry: { ...disk.entry('/workspace/README.md') } }]); })()",
      );
      await page.until("document.querySelector('[data-testid=compare]')");
      await page.click('[data-testid=compare]');
      await page.until("document.querySelector('.cm-deletedChunk')");
    },
  },
  gone: {
    state: 'ready',
    wait: "document.querySelector('#file-2')",
    async act(page) {
      await scenes.editor.act(page);
      await page.run(
        "(() => { const path = '/workspace/src/App.tsx'; const { disk } = fixture; disk.files.delete(path); disk.gone.add(path); disk.change([{ path }]); })()",
      );
      await page.until("document.querySelector('[data-kind=gone]')");
    },
  },
  network: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-network]');
      await page.until("document.querySelector('[data-testid=egress]')");
    },
  },
  logs: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-logs]');
      await page.until("document.querySelector('[data-testid=log-line]')");
    },
  },
  logsearch: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-logs]');
      await page.until("document.querySelector('[data-testid=log-line]')");
      await page.click('[data-testid=log-more]');
      await page.until("document.querySelector('[data-testid=log-wrap]')");
      await page.click('[data-testid=log-wrap]');
      await page.until("!document.querySelector('.menu')");
      await page.run("document.querySelector('[data-testid=log-find]').focus()");
      await page.type('vite');
      await page.until("document.querySelector('[data-testid=log-count]')?.textContent.includes('matches')");
      await page.key('Enter');
      await page.until("document.querySelector('[data-testid=log-count]')?.textContent.includes('of')");
    },
  },
  logfilter: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-logs]');
      await page.until("document.querySelector('[data-testid=log-line]')");
      await page.click('[data-testid=log-filters]');
      await page.until("document.querySelector('[data-testid=log-level-warn]')");
      await page.click('[data-testid=log-level-warn]');
      await page.until("document.querySelector('[data-testid=log-chips]')");
      await page.click('[data-testid=log-filters]');
      await page.until("document.querySelector('[data-testid=log-level-warn]')");
    },
  },
  logalone: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-logs]');
      await page.until("document.querySelector('[data-testid=log-line]')");
      await page.run("[...document.querySelectorAll('[aria-label=Maximise]')].at(-1).click()");
      await page.run("fixture.logs.get('shop-demo-k3f9').drop(4); 0");
      await page.click('[data-testid=log-regex]');
      await page.run("document.querySelector('[data-testid=log-find]').focus()");
      await page.type('(vite');
      await page.until("document.querySelector('#log-text-problem')");
      await page.click('[data-testid=log-follow]');
      await page.run("fixture.logs.get('shop-demo-k3f9').print('newer'); 0");
      await page.until("document.querySelector('[data-testid=log-newest]')?.textContent.includes('newer')");
    },
  },
  logdeleted: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=history]');
      await page.until("document.querySelector('[data-testid=history-row][data-state=deleted]')");
      await page.click('[data-testid=history-row][data-state=deleted]');
      await page.until("document.querySelector('[data-testid=log-line]')");
    },
  },
  processes: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-processes]');
      await page.until("document.querySelectorAll('[data-testid=process]').length === 7");
      await page.click('[data-testid=process][data-pid="34"]');
    },
  },
  processmenu: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-processes]');
      await page.until("document.querySelectorAll('[data-testid=process]').length === 7");
      await page.click('[data-testid=process][data-pid="34"]', 'right');
      await page.until("document.querySelector('[data-testid=kill-tree]')");
    },
  },
  processalone: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-processes]');
      await page.run("[...document.querySelectorAll('[aria-label=Maximise]')].at(-1).click()");
      await page.until("document.querySelectorAll('[data-testid=process]').length === 7");
      await page.click('[data-testid=process-tree]');
      await page.click('[data-testid=sort-cpu]');
    },
  },
  processnone: {
    state: 'stopped',
    wait: "document.querySelector('[data-testid=stopped]')",
    async act(page) {
      await page.click('[data-testid=tab-processes]');
      await page.until("document.querySelector('[data-testid=processes]')");
    },
  },
  split: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')?.textContent.includes('hmr update')",
    async act(page) {
      await page.click('[data-testid=split]');
      await page.until("document.querySelectorAll('[data-testid=terminal] .xterm-rows').length === 2");
    },
  },
  exited: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run(
        "fixture.processes.get('shop-demo-k3f9').forEach((p) => { if (p.role === 'app') fixture.emit({ kind: 'process', value: { ...p, exit: { code: 1, signal: null } } }, 'shop-demo-k3f9'); }); fixture.answers.set('workspace.stop', () => { throw { code: 'wrong-state', message: 'It is being deployed just now.', hint: 'Cancel the deploy first.' }; })",
      );
      await page.until("document.querySelector('[data-testid=exit]')");
      await page.key('F', { ctrl: true, shift: true });
      await page.until("document.querySelector('.find')");
      await page.type('vite');
    },
  },
  host: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run("fixture.tell({ kind: 'host-shell', on: true })");
      await page.until("document.querySelector('[data-testid=host-tab]')");
      await page.click('[data-testid=host-tab]');
      await page.until("document.querySelector('[data-testid=host-terminal] .xterm-rows')");
      await page.type('git status');
    },
  },
  metrics: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-metrics]');
      await page.until("document.querySelectorAll('[data-testid^=chart-] canvas').length === 5");
    },
  },
  metricsalone: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=tab-metrics]');
      await page.run(
        "document.querySelector('[aria-label=Maximise]:not([data-x])'); __slipway; [...document.querySelectorAll('[aria-label=Maximise]')].at(-1).click()",
      );
      await page.until("document.querySelectorAll('[data-testid^=chart-] canvas').length === 5");
    },
  },
  ended: { state: 'ended', wait: "document.querySelector('[data-testid=ended]')" },
  unhealthy: { state: 'unhealthy', wait: "document.querySelector('[data-testid=health-bar]')" },
  crashed: { state: 'crashed', wait: "document.querySelector('[data-testid=health-bar]')" },
  health: {
    state: 'unhealthy',
    wait: "document.querySelector('[data-testid=health-bar]')",
    async act(page) {
      await page.click('[data-testid=state-pill]');
      await page.until("document.querySelector('[data-testid=health]')");
    },
  },
  attention: {
    state: 'stopped',
    wait: "document.querySelector('[data-testid=stopped]')",
    async act(page) {
      await page.run(
        "fixture.emit({ kind: 'engine', value: { ...fixture.engine, warnings: [{ message: 'Old-landing (old-landing-k3f9) could not be deleted: the daemon said 500', hint: 'Slipway goes on trying every few minutes; see what the Docker engine says of it.', workspace: 'old-landing-k3f9' }] } })",
      );
      await page.until("document.querySelector('[data-testid=attention]')");
    },
  },
  leasemenu: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=lease-menu]');
      await page.until("document.querySelector('[data-testid=lease-set]')");
    },
  },
  leaseset: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=lease-menu]');
      await page.until("document.querySelector('[data-testid=lease-set]')");
      await page.click('[data-testid=lease-set]');
      await page.until("document.querySelector('#lease')");
    },
  },
  limits: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=workspace-menu]');
      await page.until("document.querySelector('[data-testid=limits]')");
      await page.click('[data-testid=limits]');
      await page.until("document.querySelector('#limits input')");
    },
  },
  create: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=new-workspace]');
      await page.until("document.querySelector('#create')");
      await page.click('[data-testid=create-zip]');
      await page.until("document.querySelector('#create').textContent.includes('214 files')");
      await page.click('[data-testid=env-add]');
      await page.type('API_KEY');
      await page.click('[data-testid=env-value]');
      await page.type('s3cret-value');
    },
  },
  createfull: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=new-workspace]');
      await page.until("document.querySelector('#create')");
      await page.click('[data-testid=create-zip]');
      await page.until("document.querySelector('#create').textContent.includes('214 files')");
      await page.run(
        "fixture.answers.set('workspace.deploy', () => { throw { code: 'limit', message: 'This machine has 0.9 GB of 16 GB memory left, and no new workspace is begun with more than 90 % used.', hint: 'Stop a workspace or close a program, or make it all the same with `slipway deploy --force`.', forceable: true }; })",
      );
      await page.click('[data-testid=deploy]');
      await page.until("document.querySelector('[data-testid=deploy-anyway]')");
    },
  },
  history: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=history]');
      await page.until("document.querySelector('[data-testid=history-row]')");
    },
  },
  filter: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=filter]');
      await page.type('po');
    },
  },
  ending: {
    state: 'unhealthy',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.run(
        "document.hasFocus = () => true; fixture.emit({ kind: 'message', value: { level: 'warning', text: 'This workspace stops in 2 min', aside: null, hint: null, detail: null, actions: [{ kind: 'extend' }] } }, 'wobbly-api-k3f9')",
      );
      await page.until("document.querySelector('[data-testid=notice-act]')");
    },
  },
  snapshots: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.key('k', { ctrl: true });
      await page.until("document.querySelector('[data-testid=palette-input]')");
      await page.type('snapshots');
      await page.key('Enter');
      await page.until("document.querySelector('[data-testid=snapshot-row]')");
    },
  },
  snapshot: {
    state: 'ready',
    wait: "document.querySelector('.xterm-rows')",
    async act(page) {
      await page.click('[data-testid=workspace-menu]');
      await page.until("document.querySelector('[data-testid=snapshot]')");
      await page.click('[data-testid=snapshot]');
      await page.until("document.querySelector('[data-testid=snapshot-form]')");
    },
  },
  phone: {
    state: 'ready',
    wait: "document.querySelector('[data-testid=device-phone]')",
    act: (page) => page.click('[data-testid=device-phone]'),
  },
};

export async function enter(page, url, name, theme) {
  const scene = scenes[name];
  await page.go(`${url}?state=${scene.state}&theme=${theme}`);
  await page.until(`window.__slipway && ${scene.wait}`);
  await scene.act?.(page);
  await page.run(idle);
}
