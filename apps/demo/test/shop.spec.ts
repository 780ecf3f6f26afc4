import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sharedTopologies } from '../../../test/harness/index.js';
import type { ShopEvent } from '../src/catalogue/events.queries.js';
import type { EventPage } from '../src/catalogue/events.service.js';
import { openShop, type Shop } from './open-shop.js';

const NEAR_LISBON = '/events?near=Lisbon&radius=50km';

const shops = (['express', 'fastify'] as const).flatMap((adapter) =>
  (['embedded', 'redis'] as const).map((store) => ({ adapter, store })),
);

describe.each(shops)('The ticket shop on $adapter, cached in $store', ({ adapter, store }) => {
  let shop: Shop;

  beforeAll(async () => {
    const env = store === 'redis' ? { REDIS_URL: sharedTopologies().standalone.url } : {};
    shop = await openShop({ adapter, env, namespace: `demo-${randomUUID()}`, cities: 1000 });
  }, 60_000);

  afterAll(() => shop?.close());

  it('finds the events near a city, and finds them in the cache the second time', async () => {
    const first = await shop.get<EventPage>(NEAR_LISBON);
    expect(first).toMatchObject({
      status: 200,
      cache: 'miss',
      body: { near: { city: 'Lisbon', country: 'PT', radius: '50km' }, page: 1 },
    });
    expect(first.body.events).toHaveLength(20);
    expect(first.body.total).toBeGreaterThan(20);
    for (const { distanceKm, seatsLeft } of first.body.events) {
      expect(distanceKm).toBeLessThanOrEqual(50);
      expect(seatsLeft).toBeGreaterThan(0);
    }

    const second = await shop.get<EventPage>(NEAR_LISBON);
    expect(second.cache).toBe('hit');
    expect(second.body).toEqual(first.body);
  });

  it('knows a city whatever the case and the accents, and shares the cached answer', async () => {
    const accents = await shop.get<EventPage>(`/events?near=${encodeURIComponent('São Paulo')}`);
    const plain = await shop.get<EventPage>('/events?near=sao+paulo');
    expect(accents.body.near.city).toBe('São Paulo');
    expect(plain).toEqual({ ...accents, cache: 'hit' });
  });

  it('pages through the events, the nearest first', async () => {
    const all = await shop.get<EventPage>(`${NEAR_LISBON}&limit=10`);
    const next = await shop.get<EventPage>(`${NEAR_LISBON}&limit=10&page=2`);
    const distances = [...all.body.events, ...next.body.events].map(({ distanceKm }) => distanceKm);
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(new Set([...all.body.events, ...next.body.events].map(({ id }) => id)).size).toBe(20);
  });

  it('shows one event, and shows it from the cache the second time', async () => {
    const first = await shop.get<ShopEvent>('/events/7');
    const second = await shop.get<ShopEvent>('/events/7');
    expect([first.cache, second.cache]).toEqual(['miss', 'hit']);
    expect(second.body).toEqual(first.body);
    expect(first.body).toMatchObject({ id: 7, title: expect.any(String), venue: { city: expect.any(String) } });
  });

  it('shows a change at once, in the event and in every list that holds it', async () => {
    const { body: before } = await shop.get<EventPage>(NEAR_LISBON);
    const { id } = before.events[3]!;
    await shop.get(`/events/${id}`);

    const change = { title: 'An Evening of Fado', price: 12.5, startsAt: '2030-05-17T20:00:00.000Z' };
    const patched = await shop.patch<ShopEvent>(`/events/${id}`, change);
    expect(patched).toMatchObject({ status: 200, body: { id, ...change } });

    expect((await shop.get<ShopEvent>(`/events/${id}`)).body).toMatchObject(change);
    const { body: after } = await shop.get<EventPage>(NEAR_LISBON);
    expect(after.events[3]).toMatchObject({ id, ...change });
    expect(after.events.toSpliced(3, 1)).toEqual(before.events.toSpliced(3, 1));
  });

  it('changes only what the request names', async () => {
    const { body: before } = await shop.get<ShopEvent>('/events/9');
    await shop.patch('/events/9', { price: 33 });
    expect((await shop.get<ShopEvent>('/events/9')).body).toEqual({ ...before, price: 33 });
  });

  it('answers 404 for an event that does not exist', async () => {
    expect((await shop.get('/events/999999999')).status).toBe(404);
    expect((await shop.patch('/events/999999999', { price: 1 })).status).toBe(404);
  });

  it('reports the health of its database and of its cache', async () => {
    expect(await shop.get('/health')).toMatchObject({
      status: 200,
      body: {
        status: 'ok',
        details: {
          database: { status: 'up' },
          redis: { status: 'up', mode: store === 'redis' ? 'standalone' : 'embedded', pingMs: expect.any(Number) },
        },
      },
    });
  });
});
