// How a process ended, in words.
import { t } from '../../lib/messages';
import type { ProcessExit } from '../../lib/wire';

export function exitText({ code, signal }: ProcessExit): string {
  if (signal !== null) return t.terminal.killed(signal);
  if (code === null) return t.terminal.ended;
  return code === 0 ? t.terminal.exitedWell : t.terminal.exited(code);
}
