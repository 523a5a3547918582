import { describe, expect, it, vi } from 'vitest';
import { inside, PreviewPage } from '../../src/lib/state/preview.svelte';
import { Fixture } from '../fixture/backend';
import { ready } from '../fixture/data';

const base = 'http://5173-shop-demo-k3f9.localhost:7080';

describe('an address typed in the bar', () => {
  it.each([
    ['/cart', `${base}/cart`],
    ['cart?x=1', `${base}/cart?x=1`],
    [`${base}/a#b`, `${base}/a#b`],
    ['5173-shop-demo-k3f9.localhost:7080/deep', `${base}/deep`],
    ['http://8080-shop-demo-k3f9.localhost:7080/', 'http://8080-shop-demo-k3f9.localhost:7080/'],
  ])('%s stays inside', (typed, url) => expect(inside(typed, `${base}/`, ready)).toBe(url));

  it.each([
    'https://example.org/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'data:text/html,x',
    '//example.org/',
    'http://9999-other-k3f9.localhost:7080/',
    'https://5173-shop-demo-k3f9.localhost:7080/',
  ])('%s leads elsewhere', (typed) => expect(inside(typed, `${base}/`, ready)).toBeNull());
});

describe('the place of the webview', () => {
  it('is sent one at a time, the newest last', async () => {
    const fixture = new Fixture();
    const waiting: (() => void)[] = [];
    fixture.answers.set('desktop.preview-place', () => new Promise<void>((done) => waiting.push(done)));
    const page = new PreviewPage(fixture);
    for (let x = 1; x <= 5; x += 1) page.place({ x, y: 0, width: 10, height: 10, visible: true });
    expect(fixture.called('desktop.preview-place')).toHaveLength(1);
    waiting[0]?.();
    await vi.waitFor(() => expect(waiting).toHaveLength(2));
    waiting[1]?.();
    expect(fixture.called('desktop.preview-place').map((place) => (place as { x: number }).x)).toEqual([1, 5]);
  });

  it('is not sent again when nothing changed', async () => {
    const fixture = new Fixture();
    const page = new PreviewPage(fixture);
    const place = { x: 1, y: 2, width: 3, height: 4, visible: true };
    page.place(place);
    await vi.waitFor(() => expect(fixture.calls).toHaveLength(1));
    await Promise.resolve();
    page.place({ ...place });
    expect(fixture.calls).toHaveLength(1);
  });
});

describe('the page of a workspace', () => {
  it('is shown where it was left', () => {
    const fixture = new Fixture();
    const page = new PreviewPage(fixture);
    page.show(ready);
    page.take({ kind: 'preview', url: `${base}/cart`, title: '', loading: false, can_back: true, can_forward: false });
    page.show({ ...ready, id: 'other-k3f9', url: 'http://80-other-k3f9.localhost:7080/', ports: [] });
    page.show(ready);
    expect(page.url).toBe(`${base}/cart`);
  });
});
