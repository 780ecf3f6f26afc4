import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { RedisConnections } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { eventually, sharedTopologies } from '../../../test/harness/index.js';
import type { CacheLine } from '../src/caches/cache-catalogue.js';
import { ShopQueries } from '../src/caches/shop.queries.js';
import type { VenueDetail } from '../src/caches/venue-detail.js';
import { createDemoApp } from '../src/create-demo-app.js';

interface Answer<T> {
  readonly status: number;
  readonly cache: string | null;
  readonly body: T;
}

describe.each(['embedded', 'redis'] as const)('The typed caches of the ticket shop, in %s', (store) => {
  let app: INestApplication;
  let address: string;
  const namespace = `demo-${randomUUID()}`;

  beforeAll(async () => {
    const env = store === 'redis' ? { REDIS_URL: sharedTopologies().standalone.url } : {};
    app = await createDemoApp({ env, namespace, cities: 1000, logger: false });
    await app.listen(0, '127.0.0.1');
    address = await app.getUrl();
  }, 60_000);

  afterAll(() => app?.close());

  async function ask<T>(method: string, path: string, body?: object): Promise<Answer<T>> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(address + path, { method, ...(body && { body: JSON.stringify(body), headers }) });
    const text = await response.text();
    return {
      status: response.status,
      cache: response.headers.get('x-cache'),
      body: (text === '' ? undefined : JSON.parse(text)) as T,
    };
  }
  const get = <T>(path: string): Promise<Answer<T>> => ask<T>('GET', path);
  const line = async (name: string): Promise<CacheLine> =>
    (await get<CacheLine[]>('/caches')).body.find((found) => found.name === name)!;

  it('are listed with their keys and how long their entries live', async () => {
    const { status, body } = await get<CacheLine[]>('/caches');

    expect(status).toBe(200);
    expect(body.map(({ name, key, ttl }) => [name, key, ttl])).toEqual([
      ['customer', 'customer:7', '1h'],
      ['cart', 'cart:7', '30m'],
      ['venue', 'venue:42', '4h'],
      ['venues-of', 'venues-of:lisbon', '6h'],
      ['forecast', 'forecast:42', '15m'],
      ['feature-flags', 'feature-flags:7', '5m'],
    ]);
  });

  it('load the items of a list by one query, and then show it from the cache', async () => {
    const query = jest.spyOn(app.get(ShopQueries), 'findVenues');
    const first = await get<VenueDetail[]>('/cities/Lisbon/venues');
    const second = await get<VenueDetail[]>('/cities/LISBON/venues');

    expect(first).toMatchObject({ status: 200, cache: 'miss' });
    expect(first.body).toHaveLength(4);
    expect(first.body[0]).toEqual({ id: expect.any(Number), name: 'Lisbon Arena', city: 'Lisbon', seats: 20 });
    expect(second).toEqual({ ...first, cache: 'hit' });
    expect(query).toHaveBeenCalledTimes(1);
    expect(await line('venue')).toMatchObject({ misses: 4, loads: 4, hits: 4 });
    expect(await line('venues-of')).toMatchObject({ misses: 1, loads: 1, hits: 1 });
  });

  if (store === 'redis') {
    it('load anew what another version of the shop has cached with other fields', async () => {
      const { body: before } = await get<VenueDetail[]>('/cities/Madrid/venues');
      const { id, name } = before[0]!;
      const { client } = app.get(RedisConnections).get() as ServerConnection;

      await client.set(`${namespace}:cache:venue:${id}`, `n1\n${JSON.stringify({ id, name, rows: 2 })}`, 'PX', 60_000);
      const asked = await line('venue');
      await eventually('the shop reads it', async () => {
        expect((await get<VenueDetail[]>('/cities/Madrid/venues')).body).toEqual(before);
        return (await line('venue')).loads === asked.loads + 1;
      });
    });
  }

  it('predict the sales of an event once in a while', async () => {
    const first = await get('/events/7/forecast');

    expect(first).toMatchObject({ status: 200, cache: 'miss', body: { eventId: 7, capacity: 20 } });
    expect(await get('/events/7/forecast')).toEqual({ ...first, cache: 'hit' });
    expect((await get('/events/999999999/forecast')).status).toBe(404);
  });

  it('keep a cart for each customer, and forget all of a customer by a tag', async () => {
    expect((await get('/carts/8')).status).toBe(404);
    const customer = await get('/customers/8');
    expect(customer).toMatchObject({ status: 200, cache: 'miss', body: { id: 8, name: 'Ada' } });

    expect(await ask('PUT', '/carts/8', { eventId: 5, seats: 2 })).toMatchObject({ status: 200 });
    await ask('PUT', '/carts/9', { eventId: 6, seats: 1 });
    expect(await get('/carts/8')).toMatchObject({ status: 200, cache: 'hit', body: { eventId: 5, seats: 2 } });
    expect(await get('/customers/8')).toEqual({ ...customer, cache: 'hit' });

    expect((await ask('DELETE', '/customers/8/traces')).status).toBe(204);
    expect((await get('/carts/8')).status).toBe(404);
    expect(await get('/customers/8')).toEqual(customer);
    expect(await get('/carts/9')).toMatchObject({ body: { eventId: 6, seats: 1 } });
  });

  it('know that there is no such customer without asking twice', async () => {
    expect((await get('/customers/1001')).status).toBe(404);
    const { hits } = await line('customer');
    expect((await get('/customers/1001')).status).toBe(404);
    expect((await line('customer')).hits).toBe(hits + 1);
  });

  it('tell the features of a customer', async () => {
    expect(await get('/customers/49/flags')).toMatchObject({
      status: 200,
      body: { 'seat-map': true, 'group-discount': true, 'waiting-list': false },
    });
    expect((await get('/customers/50/flags')).body).toMatchObject({ 'group-discount': false });
    expect(await line('feature-flags')).toMatchObject({ misses: 2, loads: 2 });
  });

  it.each([
    ['GET', '/customers/seven', undefined, ['id']],
    ['GET', '/cities/123/venues', undefined, ['city']],
    ['PUT', '/carts/7', { eventId: 'x', seats: 99 }, ['eventId', 'seats']],
  ])('refuse %s %s %p with a 400 that names the fields', async (method, path, sent, fields) => {
    expect(await ask(method, path, sent)).toMatchObject({ status: 400, body: { fields } });
  });
});
