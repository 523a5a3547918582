import { describe, expect, it } from 'vitest';
import { draftOf, problemField, settingsOf, wrongOf } from '../../src/parts/dialogs/settings';
import { settings } from '../fixture/data';

describe('settings', () => {
  it('come back as they were when nothing was typed', () => {
    expect(settingsOf(draftOf(settings), settings)).toEqual(settings);
    expect(wrongOf(draftOf(settings))).toEqual({});
  });
  it('take minutes and lines', () => {
    const draft = { ...draftOf(settings), duration_min: '1.5', allow_hosts: 'a.example\n\n *.b.example ' };
    expect(settingsOf(draft, settings)).toMatchObject({ duration_s: 90, allow_hosts: ['a.example', '*.b.example'] });
  });
  it.each([
    ['terminal_font_px', '7'],
    ['terminal_history_mb', '3'],
    ['terminal_font_px', '12.5'],
    ['listen_timeout_s', ''],
    ['listen_timeout_s', '1e9'],
    ['grace_min', '-1'],
    ['log_limit_mb', '0'],
    ['log_limit_mb', '4097'],
    ['duration_min', 'soon'],
    ['allow_hosts', 'https://example.org'],
    ['allow_hosts', 'a b..c'],
  ] as const)('%s may not be %j', (field, value) => {
    expect(Object.keys(wrongOf({ ...draftOf(settings), [field]: value }))).toEqual([field]);
  });
  it('find the field an engine’s refusal names', () => {
    const refused = (field?: string, message = 'It is wrong.') => problemField({ code: 'invalid', message, field });
    expect(refused('docker_host')).toBe('docker_host');
    expect(refused('log_limit_mb')).toBe('log_limit_mb');
    expect(refused('grace_s')).toBe('grace_min');
    expect(refused('terminal_font_px')).toBe('terminal_font_px');
    // Without a field of its own here, and whatever its words are.
    expect(refused('theme')).toBeNull();
    expect(refused(undefined, 'The duration of docker_host is out of grace.')).toBeNull();
  });
});
