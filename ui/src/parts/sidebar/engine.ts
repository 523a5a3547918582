// The engine's name as people say it.
import { t } from '../../lib/messages';
import type { EngineStatus } from '../../lib/wire';

/** `Docker 29.1`: the product without the word engine, the version without its patch. */
export function engineName({ product, version }: EngineStatus): string {
  const short = (product ?? 'Docker').replace(/\s+Engine\b.*$/i, '');
  return t.engine.name(short, (version ?? '').split('.').slice(0, 2).join('.')).trim();
}
