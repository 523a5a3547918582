// The form for a new workspace as it is typed, what is wrong with each field (by the engine's own rules, so that the
// reason shows before it is sent), and the request it makes. Values of the environment are in here and nowhere else.
import { type Length, lengthOf, secondsOf, wrongLength } from '../../lib/duration';
import { t } from '../../lib/messages';
import type { DeployRequest, NetworkProfile, Preset, RestartPolicy, Settings, Source } from '../../lib/wire';

export type Variable = { key: number; name: string; value: string };
export type CreateDraft = {
  /** A sample that was chosen; then there is no path. */
  sample: string | null;
  path: string;
  name: string;
  plan: string;
  /** Empty: as the project needs. `other`: what is typed below. */
  language: string;
  image: string;
  length: Length;
  preset: Preset;
  network: NetworkProfile;
  restart: RestartPolicy;
  root: string;
  variables: Variable[];
};
export type CreateWrong = Partial<Record<'path' | 'name' | 'image' | 'length' | 'root' | 'environment', string>> & {
  variables: Map<number, string>;
};

export const OTHER = 'other';
const DEFAULT_ROOT = '/workspace';
const SYSTEM = ['/.slipway', '/proc', '/sys', '/dev', '/etc', '/bin', '/sbin', '/lib', '/lib64', '/usr'];
const MOST_VARIABLES = 500;
const MOST_BYTES = 128 * 1024;
let keys = 0;

export function createDraft(settings: Settings | null, source?: Source): CreateDraft {
  return {
    sample: source?.kind === 'sample' ? source.name : null,
    path: source?.kind === 'path' ? source.path : '',
    name: '',
    plan: '',
    language: '',
    image: '',
    length: lengthOf(settings?.duration_s ?? 3600),
    preset: settings?.preset ?? 'medium',
    network: settings?.network ?? 'strict',
    restart: 'never',
    root: DEFAULT_ROOT,
    variables: [],
  };
}

export function variable(name = '', value = ''): Variable {
  keys += 1;
  return { key: keys, name, value };
}

export function sourceOf({ sample, path }: CreateDraft): Source | null {
  if (sample !== null) return { kind: 'sample', name: sample };
  return path.trim() === '' ? null : { kind: 'path', path: path.trim() };
}

export function wrongPath(path: string): string | null {
  if (path.trim() === '') return t.create.sourceNone;
  return /^(\/|[A-Za-z]:[\\/]|\\\\)/.test(path.trim()) ? null : t.create.sourceRelative;
}

export function wrongImage(image: string): string | null {
  const name = image.trim();
  return /^[A-Za-z0-9_@][A-Za-z0-9._\-/:@]{0,254}$/.test(name) ? null : t.create.imageWrong;
}

export function wrongRoot(root: string): string | null {
  const clean = root.trim().replace(/\/+$/, '');
  if (!clean.startsWith('/') || new TextEncoder().encode(clean).length > 200) return t.create.rootRelative;
  const bad = (part: string) => part === '' || part === '.' || part === '..';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (clean.split('/').slice(1).some(bad) || /[\u0000-\u001f\u007f-\u009f]/.test(clean)) return t.create.rootParts;
  const taken = SYSTEM.find((folder) => clean === folder || clean.startsWith(`${folder}/`));
  return taken === undefined ? null : t.create.rootSystem(taken);
}

/** By the key of the row; a row without a name and a value is not there. */
export function wrongVariables(variables: Variable[]): Map<number, string> {
  const wrong = new Map<number, string>();
  const seen = new Set<string>();
  for (const { key, name, value } of variables) {
    if (name === '' && value === '') continue;
    if (!/^[A-Za-z_.-][A-Za-z0-9_.-]*$/.test(name)) wrong.set(key, t.create.envNameWrong);
    else if (seen.has(name)) wrong.set(key, t.create.envNameTwice(name));
    else if (value.includes('\0')) wrong.set(key, t.create.envValueWrong);
    seen.add(name);
  }
  return wrong;
}

export function environmentOf(variables: Variable[]): Record<string, string> {
  return Object.fromEntries(variables.filter(({ name }) => name !== '').map(({ name, value }) => [name, value]));
}

export function wrongCreate(draft: CreateDraft): CreateWrong {
  const wrong: CreateWrong = { variables: wrongVariables(draft.variables) };
  const put = (field: Exclude<keyof CreateWrong, 'variables'>, text: string | null) => {
    if (text !== null) wrong[field] = text;
  };
  if (draft.sample === null) put('path', wrongPath(draft.path));
  const name = draft.name.trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if ([...name].length > 80 || /[\u0000-\u001f\u007f-\u009f]/.test(name)) put('name', t.workspace.renameInvalid);
  if (draft.language === OTHER) put('image', wrongImage(draft.image));
  put('length', wrongLength(draft.length));
  put('root', wrongRoot(draft.root));
  const all = Object.entries(environmentOf(draft.variables));
  const size = new TextEncoder().encode(all.flat().join('')).length;
  if (all.length > MOST_VARIABLES || size > MOST_BYTES) put('environment', t.create.envTooMany);
  return wrong;
}

export function rightCreate({ variables, ...fields }: CreateWrong): boolean {
  return variables.size === 0 && Object.keys(fields).length === 0;
}

export function requestOf(draft: CreateDraft, source: Source): DeployRequest {
  const image = draft.language === OTHER ? draft.image.trim() : draft.language;
  const root = draft.root.trim().replace(/\/+$/, '');
  return {
    source,
    env: environmentOf(draft.variables),
    duration_s: secondsOf(draft.length),
    preset: draft.preset,
    network: draft.network,
    restart: draft.restart,
    ...(draft.name.trim() === '' ? {} : { name: draft.name.trim() }),
    ...(image === '' ? {} : { image }),
    ...(draft.plan === '' ? {} : { plan: draft.plan }),
    ...(root === DEFAULT_ROOT ? {} : { root }),
  };
}

/** Lines of a `.env` file: `NAME=value`, with or without quotes and `export`; comments and empty lines are left out. */
export function dotenv(text: string): { name: string; value: string }[] | null {
  const found: { name: string; value: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const match = /^(?:export\s+)?([A-Za-z_.-][A-Za-z0-9_.-]*)\s*=\s*(.*)$/.exec(trimmed);
    if (match === null) return null;
    const [, name = '', raw = ''] = match;
    const quoted = /^(["'])(.*)\1$/.exec(raw);
    found.push({ name, value: quoted?.[2] ?? raw });
  }
  return found.length > 0 ? found : null;
}
