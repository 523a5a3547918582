// What the palette lists for what was typed: commands, workspaces, samples, ranked by where and how well they match.
import { commands, type Group, usable } from '../../lib/commands';
import { t } from '../../lib/messages';
import type { App } from '../../lib/state/app.svelte';
import { stateWord } from '../../lib/state/facts';

type Part = { text: string; hit: boolean };
export type Item = {
  id: string;
  title: string;
  note?: string;
  shortcut?: string;
  group: Group | 'sample';
  parts: Part[];
  run: () => void;
};

const MOST = 60;

/** Where every word typed occurs, as parts of the title and a rank (lower is better); null when one does not. */
export function match(title: string, wanted: string): { parts: Part[]; rank: number } | null {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const text = title.toLowerCase();
  const hits: [number, number][] = [];
  let rank = 0;
  for (const word of words) {
    const atWord = text.search(new RegExp(`(?:^|[^\\p{L}\\p{N}])${word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`, 'u'));
    const at = text.indexOf(word, Math.max(0, atWord));
    if (at < 0) return null;
    rank += (at === 0 ? 0 : atWord >= 0 ? 10 : 30) + at / 100;
    hits.push([at, at + word.length]);
  }
  hits.sort((a, b) => a[0] - b[0]);
  const parts: Part[] = [];
  let last = 0;
  for (const [from, to] of hits) {
    if (from < last) continue;
    if (from > last) parts.push({ text: title.slice(last, from), hit: false });
    parts.push({ text: title.slice(from, to), hit: true });
    last = to;
  }
  if (last < title.length) parts.push({ text: title.slice(last), hit: false });
  return { parts, rank };
}

export function paletteItems(app: App, wanted: string): Item[] {
  const name = app.workspace?.name;
  const known: Omit<Item, 'parts'>[] = [
    ...commands(app)
      .filter((command) => command.id !== 'palette' && command.id !== 'palette-anywhere' && usable(command))
      .map(({ id, title, shortcut, group, run }) => ({
        id,
        title,
        shortcut,
        group,
        run,
        note: group === 'workspace' ? name : undefined,
      })),
    ...(app.only === null ? app.store.workspaces : []).map((workspace) => ({
      id: `go-${workspace.id}`,
      title: t.palette.go(workspace.name),
      group: 'workspace' as const,
      note: stateWord(workspace),
      run: () => app.view.select(workspace.id),
    })),
    ...(app.only === null ? (app.desktop?.samples ?? []) : []).map((sample) => ({
      id: `sample-${sample.name}`,
      title: t.palette.deploySample(sample.title),
      group: 'sample' as const,
      note: sample.detail,
      run: () => void app.act.deploySample(sample.name),
    })),
  ];
  const found: (Item & { rank: number })[] = [];
  for (const item of known) {
    const hit = match(item.title, wanted);
    if (hit !== null) found.push({ ...item, ...hit });
  }
  if (wanted.trim() !== '') found.sort((a, b) => a.rank - b.rank);
  return found.slice(0, MOST);
}
