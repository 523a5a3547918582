// The states a person can meet, and how to get there from the fixture. A scene begins in a state of the fixture, waits
// for an expression of the page to be true, and goes on in steps.
const id = (name) => `[data-testid=${name}]`;
const there = (selector) => `document.querySelector('${selector}')`;
const says = (selector, text) => `${there(selector)}?.textContent.includes('${text}')`;
const count = (selector, number) => `document.querySelectorAll('${selector}').length === ${number}`;

/** A kind of step: does something with the page and waits for what comes of it. */
const step =
  (act) =>
  (what, awaited = 'true') =>
  async (page) => {
    await act(page, what);
    await page.until(awaited);
  };
const click = step((page, selector) => page.click(selector));
const rightClick = step((page, selector) => page.click(selector, 'right'));
const key = step((page, { name, ...held }) => page.key(name, held));
const type = step((page, text) => page.type(text));
const run = step((page, code) => page.run(code));
const press = (name, seen) => click(id(name), there(id(seen)));

const TERMINAL = there('.xterm-rows');
const BUSY_TERMINAL = says('.xterm-rows', 'hmr update');
const TREE = there('#file-2');
const CHARTS = count('[data-testid^=chart-] canvas', 5);
const SEVEN_PROCESSES = count(id('process'), 7);
const VITE = '[data-testid=process][data-pid="34"]';

const scene = (state, wait, ...steps) => ({ state, wait, steps });
/** A state of the fixture in which one thing stands by its test id. */
const still = (state, name = state) => scene(state, there(id(name)));
/** Steps in a workspace that runs, once its terminal stands. */
const ready = (...steps) => scene('ready', TERMINAL, ...steps);

const palette = key({ name: 'k', ctrl: true }, there(id('palette-input')));
const logs = press('tab-logs', 'log-line');
const logFilters = press('log-filters', 'log-level-warn');
const find = run("document.querySelector('[data-testid=log-find]').focus()");
const processes = click(id('tab-processes'), SEVEN_PROCESSES);
const maximise = (awaited) => run("[...document.querySelectorAll('[aria-label=Maximise]')].at(-1).click()", awaited);
const create = [click(id('new-workspace'), there('#create')), click(id('create-zip'), says('#create', '214 files'))];
const edit = [
  click('#file-2', says('#file-3', 'App.tsx')),
  click('#file-3', there('.cm-content')),
  click('.cm-line:nth-child(5)'),
  type(' // mine'),
];
const carry = run(
  "(() => { const one = { kind: 'carry', carry: 1, id: 'shop-demo-k3f9', way: 'in', name: 'harbour-at-dawn-uncompressed.mov', place: '/workspace/src/assets', nth: 2, of: 3, done: 412e6, total: 1.3e9, cancelled: false }; fixture.tell(one); fixture.tell({ ...one, carry: 2, way: 'out', name: 'public.zip', place: '/home/me/Downloads', nth: 1, of: 1, done: 84e6, total: null }); fixture.tell({ ...one, carry: 3, name: 'notes', id: 'old-landing-k3f9', of: 1, nth: 1, cancelled: true }); })()",
  count(id('carry'), 3),
);

export const scenes = {
  ready: scene('ready', `${BUSY_TERMINAL} && ${there('[aria-label^=CPU]')}`),
  empty: still('empty', 'sample'),
  deploying: still('deploying', 'phase-image'),
  failed: scene('failed', `${there(id('error-title'))} && ${says('.xterm-rows', 'E404')}`),
  paused: still('paused'),
  stopped: still('stopped'),
  terminated: still('terminated'),
  silent: still('silent'),
  absent: still('absent', 'engine-absent'),
  lost: still('lost', 'engine-absent'),
  palette: scene('ready', BUSY_TERMINAL, palette, type('re')),
  settings: ready(click(id('settings'), there('#settings'))),
  shortcuts: ready(
    run('document.activeElement?.blur()'),
    key({ name: '?', shift: true, text: '?' }, there(id('dialog'))),
  ),
  engine: ready(press('engine-status', 'dialog')),
  menu: ready(click(id('workspace-menu'), there('.menu'))),
  phases: ready(click(id('state-pill'), there('.menu.pop'))),
  sync: scene('synced', TERMINAL, press('sync-pill', 'sync-details')),
  synchalted: scene('halted', TERMINAL, press('sync-pill', 'sync-again')),
  remove: ready(press('workspace-menu', 'remove'), press('remove', 'confirm')),
  drop: ready(
    run(
      "fixture.tell({ kind: 'drag', phase: 'enter', paths: ['/home/me/shop.zip'], over: 'ui', x: 300, y: 300 })",
      there(id('drop-overlay')),
    ),
  ),
  dropbad: ready(
    run(
      "fixture.answers.set('intake.inspect', () => { throw { code: 'refused', message: 'That is a PDF, not a zip.' }; }); fixture.tell({ kind: 'drag', phase: 'enter', paths: ['/home/me/invoice.pdf'], over: 'ui', x: 900, y: 300 })",
      there(id('drop-overlay')),
    ),
  ),
  carries: scene('ready', `${TERMINAL} && ${TREE}`, carry),
  carrieswide: ready(carry, key({ name: 'b', ctrl: true }, `!${there(id('engine-status'))}`)),
  editor: scene('ready', TREE, ...edit),
  conflict: scene(
    'ready',
    TREE,
    ...edit,
    run(
      "(() => { const path = '/workspace/src/App.tsx'; const { disk } = fixture; disk.files.set(path, { text: disk.files.get(path).text.replace('in the cart</p>', 'in your cart</p>').replace('a shop', 'a shop'), modified_ms: 9 }); disk.change([{ path, entry: disk.entry(path) }, { path: '/workspace/README.md', entry: { ...disk.entry('/workspace/README.md') } }]); })()",
      there(id('compare')),
    ),
    click(id('compare'), there('.cm-deletedChunk')),
  ),
  gone: scene(
    'ready',
    TREE,
    ...edit,
    run(
      "(() => { const path = '/workspace/src/App.tsx'; const { disk } = fixture; disk.files.delete(path); disk.gone.add(path); disk.change([{ path }]); })()",
      there('[data-kind=gone]'),
    ),
  ),
  network: ready(press('tab-network', 'egress')),
  logs: ready(logs),
  logsearch: ready(
    logs,
    press('log-more', 'log-wrap'),
    click(id('log-wrap'), `!${there('.menu')}`),
    find,
    type('vite', says(id('log-count'), 'matches')),
    key({ name: 'Enter' }, says(id('log-count'), 'of')),
  ),
  logfilter: ready(logs, logFilters, press('log-level-warn', 'log-chips'), logFilters),
  logalone: ready(
    logs,
    maximise(),
    run("fixture.logs.get('shop-demo-k3f9').drop(4); 0"),
    click(id('log-regex')),
    find,
    type('(vite', there('#log-text-problem')),
    click(id('log-follow')),
    run("fixture.logs.get('shop-demo-k3f9').print('newer'); 0", says(id('log-newest'), 'newer')),
  ),
  logdeleted: ready(
    click(id('history'), there('[data-testid=history-row][data-state=deleted]')),
    click('[data-testid=history-row][data-state=deleted]', there(id('log-line'))),
  ),
  processes: ready(processes, click(VITE)),
  processmenu: ready(processes, rightClick(VITE, there(id('kill-tree')))),
  processalone: ready(
    click(id('tab-processes')),
    maximise(SEVEN_PROCESSES),
    click(id('process-tree')),
    click(id('sort-cpu')),
  ),
  processnone: scene('stopped', there(id('stopped')), press('tab-processes', 'processes')),
  split: scene('ready', BUSY_TERMINAL, click(id('split'), count('[data-testid=terminal] .xterm-rows', 2))),
  exited: ready(
    run(
      "fixture.processes.get('shop-demo-k3f9').forEach((p) => { if (p.role === 'app') fixture.emit({ kind: 'process', value: { ...p, exit: { code: 1, signal: null } } }, 'shop-demo-k3f9'); }); fixture.answers.set('workspace.stop', () => { throw { code: 'wrong-state', message: 'It is being deployed just now.', hint: 'Cancel the deploy first.' }; })",
      there(id('exit')),
    ),
    key({ name: 'F', ctrl: true, shift: true }, there('.find')),
    type('vite'),
  ),
  host: ready(
    run("fixture.tell({ kind: 'host-shell', on: true })", there(id('host-tab'))),
    click(id('host-tab'), there('[data-testid=host-terminal] .xterm-rows')),
    type('git status'),
  ),
  metrics: ready(click(id('tab-metrics'), CHARTS)),
  metricsalone: ready(click(id('tab-metrics')), maximise(CHARTS)),
  ended: still('ended'),
  unhealthy: still('unhealthy', 'health-bar'),
  crashed: still('crashed', 'health-bar'),
  health: scene('unhealthy', there(id('health-bar')), press('state-pill', 'health')),
  attention: scene(
    'stopped',
    there(id('stopped')),
    run(
      "fixture.emit({ kind: 'engine', value: { ...fixture.engine, warnings: [{ message: 'Old-landing (old-landing-k3f9) could not be deleted: the daemon said 500', hint: 'Slipway goes on trying every few minutes; see what the Docker engine says of it.', workspace: 'old-landing-k3f9' }] } })",
      there(id('attention')),
    ),
  ),
  leasemenu: ready(press('lease-menu', 'lease-set')),
  leaseset: ready(press('lease-menu', 'lease-set'), click(id('lease-set'), there('#lease'))),
  limits: ready(press('workspace-menu', 'limits'), click(id('limits'), there('#limits input'))),
  create: ready(...create, click(id('env-add')), type('API_KEY'), click(id('env-value')), type('s3cret-value')),
  createfull: ready(
    ...create,
    run(
      "fixture.answers.set('workspace.deploy', () => { throw { code: 'limit', message: 'This machine has 0.9 GB of 16 GB memory left, and no new workspace is begun with more than 90 % used.', hint: 'Stop a workspace or close a program, or make it all the same with `slipway deploy --force`.', forceable: true }; })",
    ),
    press('deploy', 'deploy-anyway'),
  ),
  history: ready(press('history', 'history-row')),
  filter: ready(click(id('filter')), type('po')),
  ending: scene(
    'unhealthy',
    TERMINAL,
    run(
      "document.hasFocus = () => true; fixture.emit({ kind: 'message', value: { level: 'warning', text: 'This workspace stops in 2 min', aside: null, hint: null, detail: null, actions: [{ kind: 'extend' }] } }, 'wobbly-api-k3f9')",
      there(id('notice-act')),
    ),
  ),
  snapshots: ready(palette, type('snapshots'), key({ name: 'Enter' }, there(id('snapshot-row')))),
  snapshot: ready(press('workspace-menu', 'snapshot'), press('snapshot', 'snapshot-form')),
  phone: scene('ready', there(id('device-phone')), click(id('device-phone'))),
};

const idle = 'new Promise((done) => setTimeout(done, 350))';

export async function enter(page, url, name, theme) {
  const { state, wait, steps } = scenes[name];
  await page.go(`${url}?state=${state}&theme=${theme}`);
  await page.until(`window.__slipway && ${wait}`);
  for (const act of steps) await act(page);
  await page.run(idle);
}
