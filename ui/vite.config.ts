// How the interface is built: static files with relative addresses, one small entry, heavy parts (terminal, editor) apart.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/**
 * The desktop freezes `Object.prototype` (tauri.conf.json), after which assigning `toString` to a plain object throws.
 * xterm 6 does that once; here it becomes a definition. Fails the build when xterm no longer does it.
 */
function xtermOnFrozenPrototype(): Plugin {
  const ASSIGNMENT = /\b(\w+)\.toString=(\w+);/g;
  return {
    name: 'xterm-on-frozen-prototype',
    apply: 'build',
    transform(code, id) {
      if (!id.endsWith('@xterm/xterm/lib/xterm.mjs')) return null;
      if (code.match(ASSIGNMENT)?.length !== 1) this.error('xterm changed: look again whether this is still needed');
      return { code: code.replace(ASSIGNMENT, 'Object.defineProperty($1,"toString",{value:$2});'), map: null };
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), svelteTesting(), xtermOnFrozenPrototype()],
  clearScreen: false,
  server: { port: 1420, strictPort: true },
  build: {
    // WebKitGTK 2.50 and the system webviews of macOS 13 and Windows 10.
    target: ['safari17', 'chrome120'],
    // Fonts stay files: a data: address would need a wider content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  test: {
    environment: 'jsdom',
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    restoreMocks: true,
    // Two busy cores take a while over jsdom; a test that hangs still ends.
    testTimeout: 30_000,
  },
});
