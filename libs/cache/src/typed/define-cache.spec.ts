import { describe, expect, it } from '@jest/globals';
import { CacheOptionsError } from '../cache.errors.js';
import { defineCache } from './define-cache.js';
import type { StandardSchema } from './standard-schema.js';
import type { CacheOf } from './typed-cache.js';

interface User {
  readonly id: number;
  readonly name: string;
}

class UserRepository {
  async find(id: number): Promise<User | undefined> {
    return { id, name: 'Ada' };
  }
}

/** Takes texts and numbers for the time, and gives a Date. */
const session = {} as StandardSchema<{ user: number; since: string | number }, { user: number; since: Date }>;

const mistakesIn = (options: unknown): readonly string[] => {
  try {
    defineCache(options as { name: string; key: () => string });
  } catch (error) {
    if (error instanceof CacheOptionsError) return error.mistakes;
    throw error;
  }
  return [];
};

describe('defineCache()', () => {
  const valid = { name: 'users', key: (id: number) => [id] };

  it('makes data that cannot be changed, and does nothing else', () => {
    const tags = ['people'];
    const users = defineCache({ ...valid, ttl: '1h', grace: '1d', version: 2, tags });
    tags.push('late');

    expect(users).toMatchObject({
      name: 'users',
      version: 2,
      options: { ttl: '1h', grace: '1d', tags: ['people'] },
    });
    expect(users.key(7)).toEqual([7]);
    expect([users, users.options, users.options.tags, users.plan, users.plan.inject].every(Object.isFrozen)).toBe(true);
  });

  it('takes every option of an entry', () => {
    const options = {
      ttl: '1h',
      grace: '0ms',
      jitter: 0,
      tags: ['a'],
      negativeTtl: '1m',
      softTimeout: '1s',
      hardTimeout: '2s',
      refreshAhead: 0.8,
      coalesce: 'process',
      onOutage: 'throw',
      clone: true,
    } as const;

    expect(defineCache({ ...valid, ...options }).options).toEqual(options);
  });

  it.each<[string, unknown, string]>([
    ['no object', 'users', 'defineCache() is of type string. Give an object.'],
    ['no name', { key: valid.key }, 'defineCache().name is "". Use letters'],
    ['a name that cannot be part of a key', { ...valid, name: 'a:b' }, 'defineCache().name is "a:b"'],
    ['the name of the cache itself', { ...valid, name: 'default' }, 'defineCache("default").name is "default"'],
    ['no key', { name: 'users' }, 'defineCache("users").key is missing. Give a function such as (id: number) => [id].'],
    ['a constant key', { ...valid, key: ['users'] }, 'defineCache("users").key is a list.'],
    ['a number for a ttl', { ...valid, ttl: 60 }, `defineCache("users").ttl is 60. Write the unit: '60ms'.`],
    ['a fraction beyond 1', { ...valid, jitter: 2 }, 'defineCache("users").jitter is 2. Give a number from 0 to 1.'],
    ['a tag that is empty', { ...valid, tags: [''] }, 'defineCache("users").tags[0] is empty'],
    [
      'an option that is not known',
      { ...valid, ttls: '1h' },
      'defineCache("users").ttls is not an option. Known here: name',
    ],
    ['version 0', { ...valid, version: 0 }, 'defineCache("users").version is 0. Give a whole number from 1 on'],
    ['version 1.5', { ...valid, version: 1.5 }, 'defineCache("users").version is 1.5.'],
    ['a version with a special character', { ...valid, version: 'v;1' }, 'defineCache("users").version is "v;1".'],
    ['a version that is an object', { ...valid, version: {} }, 'defineCache("users").version is of type object.'],
    [
      'a schema that is none',
      { ...valid, schema: { parse: () => 1 } },
      'defineCache("users").schema is no Standard Schema',
    ],
    ['a schema that is a text', { ...valid, schema: 'zod' }, 'defineCache("users").schema is of type string.'],
    ['a loader that is none', { ...valid, load: 5 }, 'defineCache("users").load is of type number. Give a function.'],
    [
      'two loaders',
      { ...valid, load: () => 1, loadMany: () => [1] },
      'defineCache("users") has both load and loadMany. Give one of them.',
    ],
    ['a batch size of 0', { ...valid, loadMany: () => [], batchSize: 0 }, 'defineCache("users").batchSize is 0.'],
    [
      'a batch size for one',
      { ...valid, load: () => 1, batchSize: 5 },
      'defineCache("users").batchSize is without loadMany.',
    ],
    [
      'providers for nobody',
      { ...valid, inject: { repo: UserRepository } },
      'defineCache("users").inject is without load',
    ],
    [
      'a list of providers',
      { ...valid, load: () => 1, inject: [UserRepository] },
      'defineCache("users").inject is a list. Give providers by name: { repo: UserRepository }.',
    ],
    [
      'a provider that a circular import has left undefined',
      { ...valid, load: () => 1, inject: { repo: undefined } },
      'defineCache("users").inject.repo is missing. Give the class or the token of a provider.',
    ],
    [
      'a provider under the name of what a context holds',
      { ...valid, load: () => 1, inject: { signal: UserRepository } },
      'defineCache("users").inject.signal has the name of what the context of a loader holds.',
    ],
  ])('refuses %s', (_, options, mistake) => {
    expect(mistakesIn(options)[0]).toContain(mistake);
  });

  it('lists all mistakes at once', () => {
    expect(mistakesIn({ name: 'users', ttl: 5, schema: 5, nope: 1 })).toHaveLength(4);
  });
});

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
type Found<D> = D extends { '~types'?: { found: infer F } | undefined } ? F : never;

/** Only compiled: a wrong type is an error of the compiler. */
describe('The types of a definition', () => {
  const same = <A, B>(check: Same<A, B>): void => expect(check).toBe(true);

  it('come from the parameters of the key and what the loader returns', () => {
    const users = defineCache({
      name: 'users',
      key: (id: number) => [id],
      load: async (id): Promise<User> => ({ id, name: 'Ada' }),
    });
    same<Parameters<CacheOf<typeof users>['get']>, [id: number]>(true);
    same<Found<typeof users>, User>(true);

    const pages = defineCache({
      name: 'pages',
      key: (path: string, lang: string | undefined) => [path, lang ?? 'en'],
      inject: { users: UserRepository, greeting: 'GREETING' },
      load: async (path, lang, { users: repo, greeting, signal, stale, notModified }) => {
        same<typeof lang, string | undefined>(true);
        same<typeof greeting, unknown>(true);
        signal.throwIfAborted();
        return stale ? notModified() : { path, user: await repo.find(1) };
      },
    });
    same<Found<typeof pages>, { path: string; user: User | undefined }>(true);
  });

  it('refuse parameters of the key that are optional, after which a context would be out of place', () => {
    // @ts-expect-error
    defineCache({ name: 'pages', key: (path: string, lang?: string) => [path, lang ?? 'en'] });
    // @ts-expect-error
    defineCache<[path: string, lang?: string], string>({ name: 'pages', key: (path) => [path] });
  });

  it('have no undefined only where the loader always returns a value', () => {
    const repo = new UserRepository();
    const users = defineCache({ name: 'users', key: (id: number) => [id], load: (id) => repo.find(id) });
    same<Found<typeof users>, User | undefined>(true);
    same<Parameters<CacheOf<typeof users>['set']>, [id: number, value: User]>(true);

    const many = defineCache({
      name: 'users',
      key: (id: number) => [id],
      inject: { repo: UserRepository },
      loadMany: (calls, context) => Promise.all(calls.map(([id]) => context.repo.find(id))),
    });
    same<Found<typeof many>, User | undefined>(true);

    const nullable = defineCache({ name: 'users', key: () => 'all', load: (): User | null => null });
    same<Found<typeof nullable>, User | null>(true);
  });

  it('are named where there is neither a loader nor a schema', () => {
    const carts = defineCache<[id: string], string[]>({
      name: 'carts',
      key: (id) => [id],
      valueTags: (cart, id) => [...cart, id],
    });
    same<Found<typeof carts>, string[] | undefined>(true);
    same<Parameters<CacheOf<typeof carts>['delete']>, [id: string]>(true);
  });

  it('come from both sides of the schema', () => {
    if (Math.random() < 2) return;
    const sessions = defineCache({
      name: 'sessions',
      key: (id: string) => [id],
      schema: session,
      load: (id, { stale }) => {
        same<NonNullable<typeof stale>['value'], { user: number; since: Date }>(true);
        return { user: id.length, since: 5 };
      },
      valueTags: ({ user }, id) => [`user:${user.toFixed()}`, id],
    });
    same<Found<typeof sessions>, { user: number; since: Date }>(true);
    same<Parameters<CacheOf<typeof sessions>['set']>, [id: string, value: { user: number; since: string | number }]>(
      true,
    );
    same<ReturnType<CacheOf<typeof sessions>['peek']>, { user: number; since: Date } | undefined>(true);

    // @ts-expect-error what a loader returns has to be what the schema takes
    defineCache({
      name: 'sessions',
      key: (id: string) => [id],
      schema: session,
      load: (id) => ({ user: id, since: 5 }),
    });
  });
});
