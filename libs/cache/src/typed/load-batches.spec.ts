import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule } from '@nuthatch/redis';
import { CacheValueError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { CacheCore } from '../cache-core.js';
import type { LoadContext } from '../load/load-context.js';
import type { AnyCacheDefinition, CacheDefinition } from './cache-definition.js';
import { defineCache } from './define-cache.js';
import { getCacheToken } from './inject-cache.decorator.js';
import { LoadBatches, type LoadCall } from './load-batches.js';
import { Turn } from './turn-reads.js';
import type { TypedCache } from './typed-cache.js';

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** Notes the calls that it loads. */
@Injectable()
class Numbers {
  readonly loads: string[] = [];

  double(calls: readonly (readonly [number, ...unknown[]])[]): { twice: number }[] {
    this.loads.push(calls.map((args) => args.join('')).join(' '));
    return calls.map(([number]) => ({ twice: 2 * number }));
  }
}

async function start(definitions: readonly AnyCacheDefinition[], local?: false) {
  const app = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot(),
      CacheModule.forRoot({ jitter: 0, ...(local === false && { local }) }),
      CacheModule.forFeature(definitions),
    ],
    providers: [Numbers],
  }).compile();
  apps.push(await app.init());
  return app;
}

async function open<Args extends readonly unknown[], T, Input, Found>(
  definition: CacheDefinition<Args, T, Input, Found>,
  local?: false,
) {
  const app = await start([definition], local);
  return {
    cache: app.get<TypedCache<Args, T, Input, Found>>(getCacheToken(definition)),
    service: app.get(CacheService),
    loads: app.get(Numbers).loads,
    driver: app.get(CacheCore).driver,
  };
}

const doubles = defineCache({
  name: 'doubles',
  key: (number: number, unit: 'm' | 'km') => (unit === 'm' ? `m:${number}` : [unit, number]),
  inject: { numbers: Numbers },
  loadMany: (calls, { numbers }) => numbers.double(calls),
});

describe('What turns out to be missing later', () => {
  it('is loaded with what else does in that turn of the event loop', async () => {
    const loads: string[][] = [];
    const load = async (calls: readonly LoadCall[]): Promise<unknown[]> => {
      loads.push(calls.map(({ context }) => context.key));
      return calls.map(({ context }) => `value of ${context.key}`);
    };
    const batches = new LoadBatches(load, 10, { waiting: (_, value) => value });
    const call = (key: string): LoadCall => ({ args: [], context: { key } as LoadContext });
    const turn = new Turn(() => undefined);
    turn.expect('a');

    const first = batches.load(call('a'), turn);
    turn.noteRead('a');
    expect(await first).toBe('value of a');
    const late = [batches.load(call('b'), turn), batches.load(call('c'), turn), batches.load(call('d'), undefined)];

    expect(await Promise.all(late)).toEqual(['value of b', 'value of c', 'value of d']);
    expect(loads).toEqual([['a'], ['b', 'c', 'd']]);
  });
});

describe('A typed cache with loadMany', () => {
  it('loads all that is asked for in one turn of the event loop by one call, and reads it by one command', async () => {
    const { cache, loads, driver } = await open(doubles);
    const read = jest.spyOn(driver, 'read');
    const gets = Array.from({ length: 100 }, (_, index) => cache.get(index, index % 2 === 0 ? 'm' : 'km'));

    expect(await Promise.all(gets)).toEqual(Array.from({ length: 100 }, (_, index) => ({ twice: 2 * index })));

    expect(loads).toHaveLength(1);
    expect(loads[0]).toMatch(/^0m 1km 2m 3km 4m /);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it('joins those who ask after a microtask, and leaves those of the next turn to another call', async () => {
    const { cache, loads, driver } = await open(doubles);
    const read = jest.spyOn(driver, 'read');
    const nextTurn = new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    const later = nextTurn.then(() => Promise.all([cache.get(3, 'm'), cache.get(4, 'm')]));

    await Promise.all([cache.get(1, 'm'), Promise.resolve().then(() => cache.get(2, 'm')), later]);

    expect(loads).toEqual(['1m 2m', '3m 4m']);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('loads nothing before it is known of each what is to be loaded, and then in the order of the calls', async () => {
    const { cache, loads, driver } = await open(doubles);
    const lease = driver.lease.bind(driver);
    jest.spyOn(driver, 'lease').mockImplementation(async (key, ...rest) => {
      if (key.endsWith('m:2')) await new Promise((resolve) => setTimeout(resolve, 20));
      return lease(key, ...rest);
    });

    await cache.getMany([
      [1, 'm'],
      [2, 'm'],
      [3, 'm'],
    ]);

    expect(loads).toEqual(['1m 2m 3m']);
  });

  it('loads only what is not there, each once', async () => {
    const { cache, loads } = await open(doubles, false);
    await cache.set(2, 'm', { twice: 5 });

    const found = await Promise.all([cache.get(1, 'm'), cache.get(2, 'm'), cache.get(1, 'm'), cache.get(3, 'm')]);

    expect(found).toEqual([{ twice: 2 }, { twice: 5 }, { twice: 2 }, { twice: 6 }]);
    expect(loads).toEqual(['1m 3m']);
    expect(
      await cache.getMany([
        [3, 'm'],
        [4, 'm'],
        [1, 'm'],
      ]),
    ).toEqual([{ twice: 6 }, { twice: 8 }, { twice: 2 }]);
    expect(loads).toEqual(['1m 3m', '4m']);
  });

  it('gives what this process holds without asking anybody', async () => {
    const { cache, driver } = await open(doubles);
    await cache.get(1, 'm');
    const read = jest.spyOn(driver, 'read');

    expect(await cache.get(1, 'm')).toEqual({ twice: 2 });

    expect(read).not.toHaveBeenCalled();
    expect(cache.stats()).toMatchObject({ misses: 1, loads: 1, localHits: 1 });
  });

  it('has no value for what is left out, and asks again', async () => {
    let calls = 0;
    const { cache } = await open(
      defineCache({
        name: 'some',
        key: (id: number) => [id],
        loadMany: (list) => (calls++, list.map(([id]) => (id === 2 ? undefined : id))),
      }),
    );

    expect(await cache.getMany([[1], [2], [3]])).toEqual([1, undefined, 3]);
    expect(await cache.getMany([[1], [2], [3]])).toEqual([1, undefined, 3]);
    expect(calls).toBe(2);
  });

  it('gives a loader no more than the size of a batch, and an error only to the callers of its batch', async () => {
    const sizes: number[] = [];
    const { cache } = await open(
      defineCache({
        name: 'parts',
        key: (id: number) => [id],
        batchSize: 3,
        loadMany: async (calls) => {
          sizes.push(calls.length);
          if (calls.some(([id]) => id === 4)) throw new RangeError('no 4');
          return calls.map(([id]) => id);
        },
      }),
    );

    const outcomes = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map((id) => cache.get(id)));

    expect(sizes).toEqual([3, 3, 1]);
    const failed = { status: 'rejected', reason: new RangeError('no 4') };
    expect(outcomes).toEqual([
      ...[1, 2, 3].map((value) => ({ status: 'fulfilled', value })),
      failed,
      failed,
      failed,
      { status: 'fulfilled', value: 7 },
    ]);
  });

  it.each([
    ['too few', () => [1], 'returned 1 values for 2 calls'],
    ['too many', () => [1, 2, 3], 'returned 3 values for 2 calls'],
    ['no list', () => new Map() as never, 'returned no list of values for 2 calls'],
  ])('refuses %s values', async (_, loadMany, message) => {
    const { cache } = await open(defineCache({ name: 'wrong', key: (id: number) => [id], loadMany }));

    const many = cache.getMany([[1], [2]]);

    await expect(many).rejects.toThrow(CacheValueError);
    await expect(many).rejects.toThrow(message);
  });

  it('lets a loader say something of each value', async () => {
    const { cache, service, driver } = await open(
      defineCache({
        name: 'said',
        key: (id: number) => [id],
        tags: (id) => [`id:${id}`],
        loadMany: (calls, { contexts, signal }) => {
          expect(signal.aborted).toBe(false);
          contexts[0]!.ttl('7s');
          contexts[1]!.tag('second');
          contexts[2]!.noStore();
          return calls.map((_, index) => contexts[index]!.key);
        },
      }),
    );
    const ids: [id: number][] = [[1], [2], [3]];

    expect(await cache.getMany(ids)).toEqual(['app:cache:said:1', 'app:cache:said:2', 'app:cache:said:3']);

    const headers = await driver.headers(['app:cache:said:1', 'app:cache:said:2', 'app:cache:said:3']);
    expect(headers).toMatchObject([{ ttlMs: 7_000, tags: ['id:1'] }, { ttlMs: 300_000 }, undefined]);
    await service.invalidateTags('second', 'id:1');
    expect(ids.map(([id]) => cache.peek(id))).toEqual([undefined, undefined, undefined]);
  });

  it('tells a loader to stop at the hard timeout', async () => {
    let signal: AbortSignal | undefined;
    const { cache } = await open(
      defineCache({
        name: 'slow',
        key: (id: number) => [id],
        hardTimeout: '5ms',
        loadMany: (_, context) => ((signal = context.signal), new Promise<number[]>(() => undefined)),
      }),
    );

    await expect(cache.getMany([[1], [2]])).rejects.toThrow('did not finish within 5ms');
    expect(signal!.aborted).toBe(true);
  });

  it('does not store what was deleted while it was loaded', async () => {
    let finish: ((values: string[]) => void) | undefined;
    let begin: (() => void) | undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const { cache } = await open(
      defineCache({
        name: 'raced',
        key: (id: number) => [id],
        loadMany: (calls) => (
          begin!(),
          calls.length === 2 ? new Promise<string[]>((resolve) => (finish = resolve)) : ['new']
        ),
      }),
    );
    const early = cache.getMany([[1], [2]]);
    await begun;

    await cache.delete(1);
    const later = cache.get(1);
    expect(await later).toBe('new');
    finish!(['old', 'old']);

    expect(await early).toEqual(['old', 'old']);
    expect([await cache.get(1), await cache.get(2)]).toEqual(['new', 'old']);
  });

  it('gives every caller a copy of its own of what cannot be frozen', async () => {
    const { cache } = await open(
      defineCache({ name: 'dates', key: (id: number) => [id], loadMany: (calls) => calls.map(() => new Date(0)) }),
    );

    const [one, other] = await Promise.all([cache.get(1), cache.get(1)]);

    expect(one).toEqual(new Date(0));
    expect(one).not.toBe(other);
    expect(await cache.get(1)).not.toBe(one);
  });

  it('gives every caller a copy that it may change where its definition wants that', async () => {
    const { cache } = await open(
      defineCache({
        name: 'lists',
        key: (id: number) => [id],
        clone: true,
        loadMany: (calls) => calls.map(([id]) => [id]),
      }),
    );

    const [one, other] = await Promise.all([cache.get(1), cache.get(1)]);
    one!.push(2);

    expect(other).toEqual([1]);
    expect(await cache.get(1)).toEqual([1]);
  });

  it('refreshes all that is refreshed in one turn by one call', async () => {
    const { cache, loads } = await open(doubles);
    await cache.getMany([
      [1, 'm'],
      [2, 'km'],
    ]);

    expect(await Promise.all([cache.refresh(1, 'm'), cache.refresh(2, 'km')])).toEqual([{ twice: 2 }, { twice: 4 }]);

    expect(loads).toEqual(['1m 2km', '1m 2km']);
  });

  it('loads ahead of the end what is still served', async () => {
    const { cache, loads } = await open(
      defineCache({
        name: 'ahead',
        key: (number: number) => [number],
        refreshAhead: 0,
        inject: { numbers: Numbers },
        loadMany: (calls, { numbers }) => numbers.double(calls),
      }),
    );
    await cache.get(1);

    expect(await cache.get(1)).toEqual({ twice: 2 });

    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(loads).toEqual(['1', '1']);
  });

  it('does not wait for itself when its loader asks for what it is to load', async () => {
    const ask: { cache?: TypedCache<[id: number], string> } = {};
    let loads = 0;
    const own = defineCache({
      name: 'own',
      key: (id: number) => [id],
      loadMany: async (calls): Promise<string[]> => {
        const found = ++loads === 1 ? await ask.cache!.getMany([[2], [1]]) : ['none'];
        return calls.map(([id]) => `${id}: ${found.join()}`);
      },
    });
    const { cache } = await open(own);
    ask.cache = cache;

    const outer = '2: none,1: none';
    expect(await cache.getMany([[1], [2]])).toEqual([`1: ${outer}`, `2: ${outer}`]);
  });

  it('does not wait for itself when two caches ask for one another', async () => {
    const ask: { one?: TypedCache<[id: number], string>; other?: TypedCache<[id: number], string> } = {};
    let depth = 0;
    const one = defineCache({
      name: 'one',
      key: (id: number) => [id],
      load: async (id): Promise<string> => (depth++ === 0 ? `one ${await ask.other!.get(id)}` : 'one'),
    });
    const other = defineCache({
      name: 'other',
      key: (id: number) => [id],
      loadMany: async (calls): Promise<string[]> =>
        Promise.all(calls.map(async ([id]) => `other ${await ask.one!.get(id)}`)),
    });
    const app = await start([one, other]);
    ask.one = app.get(getCacheToken(one));
    ask.other = app.get(getCacheToken(other));

    expect(await ask.one!.get(1)).toBe('one other one');
  });
});
