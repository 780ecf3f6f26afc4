import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule } from '@nuthatch/redis';
import { CacheLoadTimeoutError, CacheOptionsError, CacheValueError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { CacheCore } from '../cache-core.js';
import type { CacheDefinition } from './cache-definition.js';
import { defineCache } from './define-cache.js';
import { getCacheToken } from './inject-cache.decorator.js';
import type { StandardSchema } from './standard-schema.js';
import type { TypedCache } from './typed-cache.js';

interface User {
  readonly id: number;
  readonly name: string;
}

@Injectable()
class UserRepository {
  readonly asked: number[] = [];

  async find(id: number): Promise<User> {
    this.asked.push(id);
    return { id, name: `user ${id}` };
  }
}

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An application with one typed cache, and what the spec looks at. */
async function open<Args extends readonly unknown[], T, Input, Found>(
  definition: CacheDefinition<Args, T, Input, Found>,
  { local }: { local?: false } = {},
) {
  const app = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot(),
      CacheModule.forRoot({ jitter: 0, ...(local === false && { local }) }),
      CacheModule.forFeature([definition]),
    ],
    providers: [UserRepository],
  }).compile();
  apps.push(await app.init());
  const core = app.get(CacheCore);
  return {
    cache: app.get<TypedCache<Args, T, Input, Found>>(getCacheToken(definition)),
    service: app.get(CacheService),
    repo: app.get(UserRepository),
    read: jest.spyOn(core.driver, 'read'),
    header: async (name: string) => (await core.driver.headers([name]))[0],
    stored: async (name: string): Promise<unknown> => {
      const [entry] = (await core.driver.read([name], false)).entries;
      return entry?.state === 'value' ? JSON.parse(String(entry.entry.body)) : undefined;
    },
  };
}

/** Takes users, and changes what time is left over from texts to Dates. */
const userSchema: StandardSchema<{ id: number; since: string }, { id: number; since: Date }> = {
  '~standard': {
    version: 1,
    vendor: 'spec',
    validate: (value) => {
      const { id, since } = value as { id?: unknown; since?: unknown };
      const issues = [
        ...(typeof id === 'number' ? [] : [{ path: ['id'], message: 'Expected number' }]),
        ...(typeof since === 'string'
          ? []
          : [{ path: ['since'], message: `Expected string, received ${String(since)}` }]),
      ];
      return issues.length > 0 ? { issues } : { value: { id: id as number, since: new Date(since as string) } };
    },
  },
};

describe('A typed cache with a loader', () => {
  const users = defineCache({
    name: 'users',
    key: (id: number, lang: string) => [id, lang],
    ttl: '1h',
    grace: '1d',
    inject: { repo: UserRepository },
    load: async (id, lang, { repo, key }) => ({ ...(await repo.find(id)), lang, key }),
  });

  it('loads what is not there by its arguments and its providers, once', async () => {
    const { cache, repo, header } = await open(users);

    const first = await cache.get(7, 'de');

    expect(first).toEqual({ id: 7, name: 'user 7', lang: 'de', key: 'app:cache:users:7:de' });
    expect(await cache.get(7, 'de')).toBe(first);
    expect(cache.peek(7, 'de')).toBe(first);
    expect(repo.asked).toEqual([7]);
    expect(await header('app:cache:users:7:de')).toMatchObject({ ttlMs: 3_600_000, graceMs: 86_400_000 });
  });

  it('gives many in the order in which they were asked for, reads them by one command, and loads each once', async () => {
    const { cache, repo, read } = await open(users, { local: false });
    await cache.get(2, 'en');
    read.mockClear();

    const found = await cache.getMany([
      [3, 'en'],
      [2, 'en'],
      [1, 'en'],
      [3, 'en'],
    ]);

    expect(found.map(({ id }) => id)).toEqual([3, 2, 1, 3]);
    expect(repo.asked).toEqual([2, 3, 1]);
    expect(read.mock.calls.map(([names]) => names)).toEqual([
      ['app:cache:users:3:en', 'app:cache:users:2:en', 'app:cache:users:1:en'],
    ]);
  });

  it('sets, deletes and expires the entry of its arguments', async () => {
    const { cache, repo } = await open(users);
    const ada = { id: 1, name: 'Ada', lang: 'en', key: 'k' };

    await cache.set(1, 'en', ada);
    expect(await cache.get(1, 'en')).toEqual(ada);
    expect([await cache.delete(1, 'en'), await cache.delete(1, 'en')]).toEqual([true, false]);
    expect(await cache.get(1, 'en')).toMatchObject({ name: 'user 1' });

    await cache.set(1, 'en', ada);
    expect(await cache.expire(1, 'en')).toBe(true);
    expect(cache.peek(1, 'en')).toBeUndefined();
    expect(await cache.get(1, 'en')).toMatchObject({ name: 'user 1' });
    expect(await cache.expire(2, 'en')).toBe(false);
    expect(repo.asked).toEqual([1, 1]);
  });

  it('refreshes by its loader, whatever there is', async () => {
    const { cache, repo } = await open(users);
    await cache.get(1, 'en');

    expect(await cache.refresh(1, 'en')).toMatchObject({ id: 1 });

    expect(repo.asked).toEqual([1, 1]);
  });

  it('counts what it does for itself', async () => {
    const { cache, service } = await open(users);
    await cache.get(1, 'en');
    await cache.get(1, 'en');

    expect(cache.name).toBe('users');
    expect(cache.stats()).toMatchObject({ namespace: 'users', misses: 1, loads: 1, localHits: 1 });
    expect(service.stats()).toMatchObject({ misses: 0, localHits: 0 });
  });

  it('rejects with what the loader throws, and with what is wrong with the key', async () => {
    const failing = defineCache({
      name: 'failing',
      key: (id: string) => [id],
      load: async (): Promise<string> => {
        throw new RangeError('no such user');
      },
    });
    const { cache } = await open(failing);

    await expect(cache.get('1')).rejects.toThrow(new RangeError('no such user'));
    await expect(cache.get('')).rejects.toThrow('Segment 1 of a key is empty.');
  });
});

describe('The loader of a typed cache', () => {
  it('says of its value what other loaders can say', async () => {
    const said = defineCache({
      name: 'said',
      key: (what: string) => [what],
      grace: '1h',
      load: (what, { ttl, skip, noStore, notModified, stale }) => {
        if (what === 'ttl') ttl('7s');
        if (what === 'skip') return skip();
        if (what === 'noStore') noStore();
        return stale ? notModified() : { what };
      },
    });
    const { cache, header } = await open(said);

    await cache.get('ttl');
    expect(await header('app:cache:said:ttl')).toMatchObject({ ttlMs: 7_000 });
    expect(await cache.get('skip')).toBeUndefined();
    expect(await cache.get('noStore')).toEqual({ what: 'noStore' });
    expect(await header('app:cache:said:noStore')).toBeUndefined();

    await cache.set('old', { what: 'very old' });
    await cache.expire('old');
    expect(await cache.get('old')).toEqual({ what: 'very old' });
    expect(await header('app:cache:said:old')).toMatchObject({ ttlMs: 300_000 });
  });

  it('stops at the hard timeout of its definition', async () => {
    let reason: unknown;
    const slow = defineCache({
      name: 'slow',
      key: () => 'all',
      hardTimeout: '5ms',
      load: ({ signal }) => new Promise<string>(() => signal.addEventListener('abort', () => (reason = signal.reason))),
    });
    const { cache } = await open(slow);

    await expect(cache.get()).rejects.toThrow(CacheLoadTimeoutError);
    expect(reason).toBeInstanceOf(CacheLoadTimeoutError);
  });

  it('may find that there is none, which is kept for a time of its own', async () => {
    const nullable = defineCache({
      name: 'nullable',
      key: (id: number) => [id],
      negativeTtl: '1m',
      load: (): User | null => null,
    });
    const { cache, header } = await open(nullable);

    expect(await cache.get(1)).toBeNull();
    expect(await header('app:cache:nullable:1')).toMatchObject({ ttlMs: 60_000 });
  });
});

describe('The tags of a typed cache', () => {
  const orders = defineCache<[id: number], { customer: string }>({
    name: 'orders',
    key: (id) => [id],
    tags: (id) => [`order:${id}`],
    valueTags: ({ customer }, id) => [`customer:${customer}`, `bill:${id}`],
  });

  it.each(['order:1', 'customer:ada', 'bill:1'])(
    'are made of the arguments and the value, and %s invalidates it',
    async (tag) => {
      const { cache, service } = await open(orders);
      const ada = { customer: 'ada' };
      await cache.getOrSet(1, () => ada);
      await cache.set(2, ada);
      await service.invalidateTags('order:3', 'customer:bob', 'bill:3');
      expect([await cache.get(1), await cache.get(2)]).toEqual([ada, ada]);

      await service.invalidateTags(tag);

      expect([await cache.get(1), await cache.get(2)]).toEqual([
        undefined,
        tag.startsWith('customer') ? undefined : ada,
      ]);
    },
  );

  it('may be the same for all entries, beside those of a loader', async () => {
    const loads: number[] = [];
    const { cache, service } = await open(
      defineCache({
        name: 'static',
        key: (id: number) => [id],
        tags: ['all'],
        load: (id, { tag }) => {
          tag(`own:${id}`);
          loads.push(id);
          return id;
        },
      }),
    );
    await cache.getMany([[1], [2]]);

    await service.invalidateTags('own:1');
    await cache.getMany([[1], [2]]);
    expect(loads).toEqual([1, 2, 1]);
    await service.invalidateTags('all');
    await cache.getMany([[1], [2]]);
    expect(loads).toEqual([1, 2, 1, 1, 2]);
  });

  it('are refused where they cannot be tags', async () => {
    const { cache } = await open(
      defineCache<[id: number], string>({ name: 'wrong', key: (id) => [id], tags: () => [''] }),
    );

    await expect(cache.set(1, 'a')).rejects.toThrow('Tag 1 is empty');
    await expect(cache.getOrSet(1, () => 'a')).rejects.toThrow('Tag 1 is empty');
  });
});

describe('A typed cache without a loader', () => {
  const carts = defineCache<[id: string], string[]>({ name: 'carts', key: (id) => [id], ttl: '30m' });

  it('reads only', async () => {
    const { cache, header } = await open(carts);
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.getMany([['a'], ['b']])).toEqual([undefined, undefined]);

    await cache.set('b', ['seat 1']);

    expect(await cache.getMany([['a'], ['b'], ['b']])).toEqual([undefined, ['seat 1'], ['seat 1']]);
    expect(await header('app:cache:carts:b')).toMatchObject({ ttlMs: 1_800_000 });
  });

  it('takes a loader for a call', async () => {
    const { cache } = await open(carts);

    expect(await cache.getOrSet('a', ({ key }) => [key])).toEqual(['app:cache:carts:a']);
    expect(await cache.getOrSet('a', () => ['other'])).toEqual(['app:cache:carts:a']);
    expect(await cache.getOrSet('b', async () => undefined)).toBeUndefined();
  });

  it('has nothing to refresh by', async () => {
    const { cache } = await open(carts);

    await expect(cache.refresh('a')).rejects.toThrow(CacheOptionsError);
    await expect(cache.refresh('a')).rejects.toThrow('defineCache("carts") has neither load nor loadMany.');
  });
});

describe('A typed cache with a schema', () => {
  const users = defineCache({
    name: 'users',
    key: (id: number) => [id],
    schema: userSchema,
    load: (id): { id: number; since: string } => ({ id, since: '2020-01-01' }),
  });

  it('gives what the schema makes of a value, and stores the value', async () => {
    const { cache, stored } = await open(users, { local: false });
    const found = { id: 1, since: new Date('2020-01-01') };

    expect([await cache.get(1), await cache.get(1)]).toEqual([found, found]);
    expect(await stored('app:cache:users:1')).toEqual({ id: 1, since: '2020-01-01' });
  });

  it('loads anew what does not fit any more, and counts it', async () => {
    const { cache, service, stored } = await open(users, { local: false });
    await service.namespace('users').set([1], { id: 1, createdAt: '2019' });

    expect(await cache.get(1)).toEqual({ id: 1, since: new Date('2020-01-01') });

    expect(cache.stats()).toMatchObject({ unreadable: 1, misses: 1, loads: 1 });
    expect(await stored('app:cache:users:1')).toEqual({ id: 1, since: '2020-01-01' });
  });

  it('does not see what does not fit where nothing can load it', async () => {
    const { cache, service } = await open(
      defineCache({ name: 'users', key: (id: number) => [id], schema: userSchema }),
      { local: false },
    );
    await service.namespace('users').set([1], { id: 'one' });

    expect(await cache.get(1)).toBeUndefined();
    expect(await cache.getMany([[1]])).toEqual([undefined]);
  });

  it('refuses what a loader returns and does not fit, with its path and without the value', async () => {
    const wrong = { id: 1, since: 5_551_234 as unknown as string };
    const { cache, stored } = await open(users);

    const error = await cache.getOrSet(1, () => wrong).catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(CacheValueError);
    expect((error as Error).message).toContain('"app:cache:users:1"');
    expect((error as Error).message).toContain('It does not fit the schema of the cache "users": $.since. Correct');
    expect((error as Error).message).not.toContain('5551234');
    expect(await stored('app:cache:users:1')).toBeUndefined();
    expect(await cache.get(1)).toEqual({ id: 1, since: new Date('2020-01-01') });
  });

  it('checks what a loader returns and does not want to have stored', async () => {
    const { cache } = await open(users);

    const fitting = await cache.getOrSet(1, ({ noStore }) => (noStore(), { id: 1, since: '2021-01-01' }));
    const wrong = cache.getOrSet(1, ({ noStore }) => (noStore(), { id: 'x', since: '2021-01-01' } as never));

    expect(fitting).toEqual({ id: 1, since: new Date('2021-01-01') });
    await expect(wrong).rejects.toThrow(/CacheValueError|\$\.id: Expected number/);
  });

  it.each([{}, { local: false } as const])('sets nothing that does not fit', async (options) => {
    const { cache } = await open(users, options);
    await cache.set(1, { id: 1, since: '2021-01-01' });

    const set = cache.set(1, { id: 1, since: null } as never);

    await expect(set).rejects.toThrow(CacheValueError);
    await expect(set).rejects.toThrow(
      'The value for "users:1" cannot be used. It does not fit the schema of the cache "users": $.since',
    );
    expect(await cache.get(1)).toEqual({ id: 1, since: new Date('2021-01-01') });
  });

  it('says of undefined that it cannot be cached', async () => {
    const { cache } = await open(users);

    await expect(cache.set(1, undefined as never)).rejects.toThrow(
      'undefined cannot be cached under "app:cache:users:1".',
    );
  });
});

describe('The version of a typed cache', () => {
  it('retires the entries of other versions, and of none', async () => {
    const { cache, service, header } = await open(
      defineCache({ name: 'users', key: (id: number) => [id], version: 2, load: (id) => ({ id }) }),
      { local: false },
    );
    await service.namespace('users').set([1], { id: 1, age: 5 });

    expect(await cache.get(1)).toEqual({ id: 1 });

    expect(cache.stats()).toMatchObject({ unreadable: 1, loads: 1 });
    expect(await header('app:cache:users:1')).toMatchObject({ revision: '2' });
  });
});
