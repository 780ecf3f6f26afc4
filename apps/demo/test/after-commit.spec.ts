import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { CacheService } from '@nuthatch/cache';
import { sharedTopologies } from '../../../test/harness/index.js';
import { findEvent, type ShopEvent } from '../src/catalogue/events.queries.js';
import { EventsService } from '../src/catalogue/events.service.js';
import { createDemoApp } from '../src/create-demo-app.js';
import { DATABASE, type Database } from '../src/database/database.js';
import { DrizzleTransactions } from '../src/database/drizzle-transactions.js';

const change = { price: 12.5 };
let [id, other] = [0, 1];

describe.each(['embedded', 'redis'] as const)('A transaction in the ticket shop, cached in %s', (store) => {
  let app: INestApplication;
  let cache: CacheService;
  let database: Database;
  let events: EventsService;
  let transactions: DrizzleTransactions;

  beforeAll(async () => {
    const env = store === 'redis' ? { REDIS_URL: sharedTopologies().standalone.url } : {};
    app = await createDemoApp({ env, namespace: `demo-${randomUUID()}`, cities: 100, logger: false });
    await app.init();
    cache = app.get(CacheService);
    database = app.get<Database>(DATABASE);
    events = app.get(EventsService);
    transactions = app.get(DrizzleTransactions);
  }, 60_000);

  // Each test has two events of its own, as they were seeded.
  beforeEach(() => {
    [id, other] = [id + 2, other + 2];
  });

  afterAll(() => app?.close());

  const inDatabase = async (event: number): Promise<ShopEvent> => (await findEvent(database, event))!;
  const inCache = (event: number): Promise<ShopEvent | undefined> => cache.get<ShopEvent>(['event', event]);

  it('leaves the cache as it is until it has committed', async () => {
    const before = [await events.find(id), await events.find(other)];

    await transactions.run(async () => {
      await events.change(id, change);
      await events.change(other, change);
      expect([await inCache(id), await inCache(other)]).toEqual(before);
    });

    expect([await inCache(id), await inCache(other)]).toEqual([undefined, undefined]);
    expect(await events.find(id)).toMatchObject(change);
    expect(await events.find(other)).toMatchObject(change);
  });

  // Another connection sees the old row until the commit. This Postgres has only one, which the transaction holds, so the
  // readers of the next two tests are handed what they would have read.

  it('removes what a reader has loaded and cached while it was open', async () => {
    const before = await inDatabase(id);

    await transactions.run(async () => {
      await events.change(id, change);
      await cache.getOrSet(['event', id], () => before);
      expect(await inCache(id)).toEqual(before);
    });

    expect(await events.find(id)).toMatchObject(change);
  });

  it('keeps a reader that is slower than itself from caching the old row', async () => {
    const before = await inDatabase(id);
    let finish: ((event: ShopEvent) => void) | undefined;
    let reader: Promise<ShopEvent> | undefined;

    await transactions.run(async () => {
      await events.change(id, change);
      await new Promise<void>((begun) => {
        reader = cache.getOrSet(['event', id], () => {
          begun();
          return new Promise<ShopEvent>((resolve) => (finish = resolve));
        });
      });
    });
    finish!(before);

    expect(await reader).toEqual(before);
    expect(await events.find(id)).toMatchObject(change);
  });

  it('invalidates nothing when it rolls back', async () => {
    const before = [await events.find(id), await events.find(other)];
    const remove = jest.spyOn(cache, 'delete');

    const failing = transactions.run(async () => {
      await events.change(id, change);
      // There is no such event, so both changes are undone.
      await events.change(999_999_999, change);
    });

    await expect(failing).rejects.toThrow('There is no event 999999999.');
    expect(remove).not.toHaveBeenCalled();
    expect([await inCache(id), await inDatabase(id)]).toEqual([before[0], before[0]]);
    remove.mockRestore();
  });

  it('commits what a savepoint in it holds, without what another has rolled back', async () => {
    const before = [await events.find(id), await events.find(other)];

    await transactions.run(async () => {
      await transactions.run(() => events.change(id, change));
      expect(await inCache(id)).toEqual(before[0]);
      const undone = transactions.run(async () => {
        await events.change(other, change);
        throw new RangeError('sold out');
      });
      await expect(undone).rejects.toThrow(new RangeError('sold out'));
    });

    expect([await inCache(id), await inCache(other)]).toEqual([undefined, before[1]]);
    expect(await inDatabase(id)).toMatchObject(change);
    expect(await inDatabase(other)).toEqual(before[1]);
  });

  it('takes what a savepoint has changed back when it rolls back itself', async () => {
    const before = await events.find(id);

    const failing = transactions.run(async () => {
      await transactions.run(() => events.change(id, change));
      throw new RangeError('changed my mind');
    });

    await expect(failing).rejects.toThrow(new RangeError('changed my mind'));
    expect([await inCache(id), await inDatabase(id)]).toEqual([before, before]);
  });

  it('runs what waits for it once others can see the change, and waits for that', async () => {
    const seen: number[] = [];

    await transactions.run(async () => {
      await events.change(id, change);
      expect(transactions.afterCommit(async () => void seen.push((await inDatabase(id)).price))).toBe(true);
      expect(seen).toEqual([]);
    });

    expect(seen).toEqual([change.price]);
  });

  it('runs all that waits for it, though a part of that fails, and tells', async () => {
    await events.find(id);

    const run = transactions.run(async () => {
      transactions.afterCommit(() => Promise.reject(new RangeError('first')));
      await events.change(id, change);
    });

    await expect(run).rejects.toThrow(new RangeError('first'));
    expect(await inCache(id)).toBe(undefined);
    expect(await inDatabase(id)).toMatchObject(change);
  });

  it('takes nothing from work that goes on after it, nor from the transactions beside it', async () => {
    let goOn: (() => void) | undefined;
    const over = new Promise<void>((resolve) => (goOn = resolve));
    let late: Promise<boolean> | undefined;
    await events.find(id);

    const failing = transactions.run(async () => {
      late = over.then(() => transactions.afterCommit(async () => undefined));
      throw new RangeError('rolled back');
    });
    const beside = transactions.run(() => events.change(id, change));
    await expect(failing).rejects.toThrow(new RangeError('rolled back'));
    await beside;
    goOn!();

    expect(await late).toBe(false);
    expect(await inCache(id)).toBe(undefined);
  });
});
