// The entry: picks the backend this window has (the desktop's, or the loopback skin's in a browser) and boots.
import { boot } from './boot';
import type { Backend } from './lib/backend';
import { tauriBackend } from './lib/backend/tauri';

async function pick(): Promise<Backend> {
  // Not loaded by itself: the desktop's window would wait for one file more.
  if ('__TAURI_INTERNALS__' in window) return tauriBackend();
  const { httpBackend } = await import('./lib/backend/http');
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  return httpBackend(new URL('/', location.href), token);
}

await boot(await pick());
