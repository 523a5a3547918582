// Read by every Node of a strict container before its program: the agent names it in NODE_OPTIONS. What may be here is what
// every release of Node since 8 can read.
//
// With NODE_USE_ENV_PROXY Node loads its whole fetch client at each start, only to give it a dispatcher that goes through
// the proxy: that takes longer than all the rest of the start. So Node is shown no proxy in the moment it asks, and in the
// dispatcher's place stands one that becomes Node's own at its first use. http and https need nothing: their agents read
// the environment when they are first loaded. Where anything is not as it is known to be, nothing is done here, and Node
// does what it always did.
'use strict';

(function () {
  const OURS = 'http://127.0.0.1:61128';
  const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
  // Where undici, Node's own and npm's, looks for the dispatcher of a request that names none.
  const PLACES = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')];
  // The releases this was tried with: they have http.setGlobalProxyFromEnv, and set the proxy up after this file. Major
  // version and its first minor one.
  const KNOWN = { 24: 14, 25: 4, 26: 0 };

  // Who lists what a program has loaded does not find this.
  delete require.cache[module.filename];

  const version = process.versions.node.split('.').map(Number);
  if (!(version[1] >= KNOWN[version[0]]) || process.versions.bun || process.versions.electron) return;
  const env = process.env;
  const plain = Object.getOwnPropertyDescriptor(process, 'env');
  if (env.NODE_USE_ENV_PROXY !== '1' || !plain || !plain.configurable || plain.value !== env) return;
  // What is to be made of another proxy only Node knows.
  const set = NAMES.filter((name) => env[name] !== undefined);
  if (set.some((name) => env[name] !== OURS)) return;
  // In a worker thread Node has set it up already.
  if (PLACES.some((place) => globalThis[place] !== undefined)) return;

  // Node asks by `process.env` once for each name, and only where it is to use a proxy. The first who is not Node gets
  // the property back as it was.
  let asked = 0;
  const giveBack = (value) => Object.defineProperty(process, 'env', Object.assign({}, plain, { value }));
  Object.defineProperty(process, 'env', {
    configurable: true,
    enumerable: true,
    get() {
      if (!asksNode()) {
        giveBack(env);
        return env;
      }
      asked += 1;
      if (asked === 1) putInPlace();
      if (asked === NAMES.length) giveBack(env);
      return {};
    },
    set: giveBack,
  });

  // Whether `process.env` is being read by the function of Node's start that would load the client.
  function asksNode() {
    const here = {};
    Error.captureStackTrace(here, asksNode);
    const reader = typeof here.stack === 'string' ? here.stack.split('\n')[2] : undefined;
    return reader !== undefined && /\bsetupHttpProxy \(node:internal\/process\/pre_execution:/.test(reader);
  }

  function putInPlace() {
    const places = PLACES.map((place) => ({ place, standIn: undefined, real: undefined }));
    for (const at of places) {
      at.standIn = becoming(() => {
        if (at.real === undefined) make(places);
        return at.real;
      });
      // The attributes are undici's own.
      Object.defineProperty(globalThis, at.place, { value: at.standIn, writable: true, enumerable: false, configurable: false });
    }
  }

  // Has Node make the dispatcher it would have made at its start, and leaves all else this touches as it was.
  function make(places) {
    const http = process.getBuiltinModule('http');
    const https = process.versions.openssl ? process.getBuiltinModule('https') : undefined;
    const agents = [http.globalAgent, https && https.globalAgent];
    const dispatchers = places.map((at) => globalThis[at.place]);
    const proxies = {};
    for (const name of set) proxies[name] = OURS;
    // Without `no_proxy`, which the dispatcher then reads in the environment for each request, as it would have.
    http.setGlobalProxyFromEnv(proxies);
    http.globalAgent = agents[0];
    if (https) https.globalAgent = agents[1];
    const made = places.map((at) => globalThis[at.place]);
    places.forEach((at, index) => {
      // A client that knows the first place only leaves the second as it was; the first serves for both.
      at.real = made[index] === at.standIn ? made[0] : made[index];
      // A project may have put its own there.
      globalThis[at.place] = dispatchers[index] === at.standIn ? at.real : dispatchers[index];
    });
  }

  // Stands for what `real` gives, which is asked when this is used.
  function becoming(real) {
    return new Proxy({}, {
      get(_, key) {
        const value = real()[key];
        // Methods reach into private fields, which a stand-in has not.
        return typeof value === 'function' && key !== 'constructor' ? value.bind(real()) : value;
      },
      set(_, key, value) {
        return Reflect.set(real(), key, value);
      },
      has(_, key) {
        return Reflect.has(real(), key);
      },
      getPrototypeOf() {
        return Reflect.getPrototypeOf(real());
      },
    });
  }
})();
