// What is typed into forms: what is wrong with it and why, and the request it makes.
import { describe, expect, it } from 'vitest';
import { lengthOf, secondsOf, wrongLength } from '../../src/lib/duration';
import { t } from '../../src/lib/messages';
import {
  createDraft,
  dotenv,
  OTHER,
  requestOf,
  rightCreate,
  sourceOf,
  variable,
  wrongCreate,
  wrongImage,
  wrongRoot,
  wrongVariables,
} from '../../src/parts/dialogs/create';
import { limitsDraft, limitsRequest, wrongLimits } from '../../src/parts/dialogs/limits';
import { readings, settings } from '../fixture/data';

describe('a duration', () => {
  it.each([
    [0, '', 'keep'],
    [60, '1', 'minutes'],
    [5400, '90', 'minutes'],
    [7200, '2', 'hours'],
    [86_400, '1', 'days'],
  ] as const)('of %d s is said in the largest unit, and read back', (seconds, amount, unit) => {
    expect(lengthOf(seconds)).toEqual({ amount, unit });
    expect(secondsOf({ amount, unit })).toBe(seconds);
  });
  it.each([
    ['0.5', 'minutes', t.duration.short],
    ['1', 'minutes', null],
    ['30', 'days', null],
    ['30.1', 'days', t.duration.long],
    ['1,5', 'hours', null],
    ['', 'hours', t.duration.number],
    ['soon', 'hours', t.duration.number],
    ['soon', 'keep', null],
  ] as const)('of %j %s: %s', (amount, unit, wrong) => expect(wrongLength({ amount, unit })).toBe(wrong));
});

describe('a new workspace', () => {
  const draft = () => createDraft(settings, { kind: 'path', path: '/home/me/shop.zip' });

  it('that nobody changed asks for what the settings say', () => {
    const source = sourceOf(draft());
    expect(rightCreate(wrongCreate(draft()))).toBe(true);
    expect(source && requestOf(draft(), source)).toEqual({
      source: { kind: 'path', path: '/home/me/shop.zip' },
      env: {},
      duration_s: 3600,
      preset: 'medium',
      network: 'strict',
      restart: 'never',
    });
  });
  it('takes everything that was typed', () => {
    const full = {
      ...draft(),
      name: ' Shop ',
      plan: 'node-vite',
      language: OTHER,
      image: 'ghcr.io/me/node:22',
      length: { amount: '', unit: 'keep' as const },
      root: '/srv/app/',
      variables: [variable('API_KEY', 's3cret'), variable()],
    };
    expect(requestOf(full, { kind: 'sample', name: 'flask' })).toMatchObject({
      source: { kind: 'sample', name: 'flask' },
      name: 'Shop',
      plan: 'node-vite',
      image: 'ghcr.io/me/node:22',
      duration_s: 0,
      root: '/srv/app',
      env: { API_KEY: 's3cret' },
    });
  });
  it.each([
    ['path', { path: '' }],
    ['path', { path: 'shop.zip' }],
    ['name', { name: 'x'.repeat(81) }],
    ['name', { name: 'a\u0007b' }],
    ['image', { language: OTHER, image: '' }],
    ['length', { length: { amount: '0', unit: 'minutes' as const } }],
    ['root', { root: 'app' }],
    ['environment', { variables: [variable('BIG', 'x'.repeat(128 * 1024))] }],
  ])('says what is wrong with %s', (field, change) => {
    const wrong = wrongCreate({ ...draft(), ...change });
    expect(Object.keys(wrong).filter((key) => key !== 'variables')).toEqual([field]);
    expect(rightCreate(wrong)).toBe(false);
  });
  it.each([
    ['/srv', true],
    ['/', false],
    ['/usr', false],
    ['/usr/app', false],
    ['/usrapp', true],
    ['/a//b', false],
    ['/a/../b', false],
    [`/${'ä'.repeat(101)}`, false],
  ] as const)('may lie in %s: %s', (root, fine) => expect(wrongRoot(root) === null).toBe(fine));
  it.each([
    ['node:24-alpine', true],
    ['ghcr.io/owner/image@sha256:abc', true],
    ['-rf', false],
    ['a b', false],
    ['node;rm', false],
  ] as const)('may be of image %s: %s', (image, fine) => expect(wrongImage(image) === null).toBe(fine));
  it('has variables with names that are names, each once', () => {
    const rows = [
      variable('A', '1'),
      variable('1A', ''),
      variable('', 'x'),
      variable('A', '2'),
      variable(),
      variable('a.b-c', 'x\0'),
    ];
    const wrong = wrongVariables(rows);
    expect(rows.map(({ key }) => wrong.get(key) ?? null)).toEqual([
      null,
      t.create.envNameWrong,
      t.create.envNameWrong,
      t.create.envNameTwice('A'),
      null,
      t.create.envValueWrong,
    ]);
  });
  it('never says a value in what is wrong with it', () => {
    const secret = 's3cret\0value';
    const wrong = wrongVariables([variable('A', secret)]);
    expect([...wrong.values()].join(' ')).not.toContain('s3cret');
  });
  it('takes lines of a .env file', () => {
    expect(dotenv('# a shop\nexport A=1\n\nB="two words"\nC=\'x=y\'\r\nD=')).toEqual([
      { name: 'A', value: '1' },
      { name: 'B', value: 'two words' },
      { name: 'C', value: 'x=y' },
      { name: 'D', value: '' },
    ]);
    expect(dotenv('just a name')).toBeNull();
    expect(dotenv('# nothing')).toBeNull();
  });
});

describe('limits', () => {
  const before = { memory_mb: 2048, cpus: 2, pids: 1024 };
  const now = readings(1_800_000_000_000).at(-1) ?? null;

  it('that are as before ask for nothing', () => {
    expect(limitsRequest('w', limitsDraft(before), before)).toBeNull();
    expect(wrongLimits(limitsDraft(before), before, now)).toEqual({});
  });
  it('ask only for what is different', () => {
    const draft = { ...limitsDraft(before), memory: '512', cpus: '0,5' };
    expect(limitsRequest('w', draft, before)).toEqual({ id: 'w', memory_mb: 512, cpus: 0.5 });
  });
  it.each([
    ['memory', '63'],
    ['memory', '1048577'],
    ['memory', '64.5'],
    ['memory', '70'],
    ['cpus', '0.05'],
    ['cpus', ''],
    ['cpus', 'all'],
    ['processes', '31'],
    ['processes', '1e3'],
  ] as const)('%s may not be %j', (field, value) => {
    expect(Object.keys(wrongLimits({ ...limitsDraft(before), [field]: value }, before, now))).toEqual([field]);
  });
  it('below what is used are refused with the figure', () => {
    const busy = now === null ? null : { ...now, processes: 200 };
    const wrong = wrongLimits({ ...limitsDraft(before), processes: '150', memory: '80' }, before, busy);
    expect(wrong.processes).toContain('200');
    expect(wrong.memory).toMatch(/uses \d+ MB now/);
  });
  it('of a share of all cores can stay one', () => {
    const shared = { ...before, cpus: null };
    expect(wrongLimits(limitsDraft(shared), shared, now)).toEqual({});
    expect(limitsRequest('w', { ...limitsDraft(shared), memory: '4096' }, shared)).toEqual({
      id: 'w',
      memory_mb: 4096,
    });
  });
});
