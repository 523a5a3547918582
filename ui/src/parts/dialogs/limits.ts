// Limits as they are typed, and what is wrong with them; the bounds are the engine's own.
import { bytes } from '../../lib/format';
import { t } from '../../lib/messages';
import type { Limits, LimitsRequest, Sample, WorkspaceId } from '../../lib/wire';

export type LimitsDraft = { memory: string; cpus: string; processes: string };
const MIB = 2 ** 20;

export function limitsDraft({ memory_mb, cpus, pids }: Limits): LimitsDraft {
  return { memory: String(memory_mb), cpus: cpus === null ? '' : String(cpus), processes: String(pids) };
}

const whole = (text: string) => (/^\d+$/.test(text.trim()) ? Number(text) : Number.NaN);
const decimal = (text: string) => (text.trim() === '' ? Number.NaN : Number(text.trim().replace(',', '.')));

export function wrongLimits(
  draft: LimitsDraft,
  before: Limits,
  now: Sample | null,
): Partial<Record<keyof LimitsDraft, string>> {
  const wrong: Partial<Record<keyof LimitsDraft, string>> = {};
  const memory = whole(draft.memory);
  if (!(memory >= 64 && memory <= 1_048_576)) wrong.memory = t.limits.memoryWrong;
  else if (memory !== before.memory_mb && now !== null && memory * MIB < now.memory_bytes) {
    wrong.memory = t.limits.memoryUsed(bytes(now.memory_bytes));
  }
  if (draft.cpus.trim() === '') {
    if (before.cpus !== null) wrong.cpus = t.limits.cpusFixed;
  } else {
    const cpus = decimal(draft.cpus);
    if (!(cpus >= 0.1 && cpus <= 1024)) wrong.cpus = t.limits.cpusWrong;
  }
  const processes = whole(draft.processes);
  if (!(processes >= 32 && processes <= 32_768)) wrong.processes = t.limits.processesWrong;
  else if (processes !== before.pids && now !== null && processes <= now.processes) {
    wrong.processes = t.limits.processesUsed(now.processes);
  }
  return wrong;
}

/** Only what is different from before: what is absent stays as it is. Null: nothing is. */
export function limitsRequest(id: WorkspaceId, draft: LimitsDraft, before: Limits): LimitsRequest | null {
  const request: LimitsRequest = { id };
  if (whole(draft.memory) !== before.memory_mb) request.memory_mb = whole(draft.memory);
  if (draft.cpus.trim() !== '' && decimal(draft.cpus) !== before.cpus) request.cpus = decimal(draft.cpus);
  if (whole(draft.processes) !== before.pids) request.pids = whole(draft.processes);
  return Object.keys(request).length > 1 ? request : null;
}
