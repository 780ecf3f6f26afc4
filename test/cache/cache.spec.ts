import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { outcomeOf, sharedServers } from '../redis/open-connection.js';
import { closeCaches, openCache } from './open-cache.js';

afterEach(closeCaches);

/** A loader that the spec lets go when it wants. */
function heldLoad<T>(): { load: () => Promise<T>; begun: Promise<void>; finish(value: T): void } {
  let finish!: (value: T) => void;
  let begin!: () => void;
  const result = new Promise<T>((resolve) => (finish = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  return { load: () => (begin(), result), begun, finish: (value) => finish(value) };
}

describe.each(['embedded', 'standalone', 'sentinel', 'cluster'] as const)('a cache on %s', (mode) => {
  const connect = (namespace: string = randomUUID()) =>
    openCache(mode === 'embedded' ? { mode } : sharedServers()[mode], { namespace });

  it('loads once, and serves every type as it was', async () => {
    const { cache } = await connect();
    const value = {
      when: new Date(5),
      big: 7n,
      map: new Map([[1, new Set(['a'])]]),
      bytes: Buffer.from('b'),
      none: null,
    };
    let loads = 0;

    const first = await cache.getOrSet(['typed', 1], () => (loads++, value));
    const second = await cache.getOrSet(['typed', 1], () => (loads++, value));

    expect(first).toEqual(value);
    expect(second).toEqual(value);
    expect(Object.isFrozen(first) && Object.isFrozen(second)).toBe(true);
    first.map.clear();
    expect((await cache.get<typeof value>(['typed', 1]))!.map.size).toBe(1);
    expect(loads).toBe(1);
  });

  it.each([null, 0, '', false])('caches %p like any other value', async (value) => {
    const { cache } = await connect();
    let loads = 0;

    expect(await cache.getOrSet('falsy', () => (loads++, value))).toBe(value);
    expect(await cache.getOrSet('falsy', () => (loads++, value))).toBe(value);
    expect(await cache.get('falsy')).toBe(value);
    expect(await cache.has('falsy')).toBe(true);

    expect(loads).toBe(1);
  });

  it('asks the loader once for a hundred concurrent callers', async () => {
    const { cache } = await connect();
    const { load, begun, finish } = heldLoad<string>();
    let loads = 0;
    const callers = Array.from({ length: 100 }, () => cache.getOrSet('popular', () => (loads++, load())));
    await begun;

    finish('value');

    expect(await Promise.all(callers)).toEqual(Array.from({ length: 100 }, () => 'value'));
    expect(loads).toBe(1);
  });

  it('a delete during a load wins: the result is served to nobody who asks later', async () => {
    const { cache } = await connect();
    const { load, begun, finish } = heldLoad<string>();
    const early = cache.getOrSet('raced', load);
    await begun;

    await cache.delete('raced');
    const later = cache.getOrSet('raced', () => 'new');
    finish('old');

    expect(await early).toBe('old');
    expect(await later).toBe('new');
    expect(await cache.get('raced')).toBe('new');
  });

  it('a set during a load wins', async () => {
    const { cache } = await connect();
    const { load, begun, finish } = heldLoad<string>();
    const early = cache.getOrSet('raced', load);
    await begun;

    await cache.set('raced', 'set');
    finish('loaded');
    await early;

    expect(await cache.getOrSet('raced', () => 'again')).toBe('set');
  });

  it('a loader that asks for its own key does not wait for itself', async () => {
    const { cache } = await connect();
    let depth = 0;
    const load = async (): Promise<string> => (depth++ < 3 ? `${depth}${await cache.getOrSet('loop', load)}` : 'end');

    const outcome = await outcomeOf(cache.getOrSet('loop', load));

    expect(outcome.value).toBe('123end');
    expect(outcome.tookMs).toBeLessThan(1_000);
  });

  it('a loader that asks for its own key and finds nothing does not wait for itself either', async () => {
    const { cache } = await connect();
    let calls = 0;
    const load = (): unknown => (calls++ === 0 ? cache.getOrSet('nothing', load) : undefined);

    const outcome = await outcomeOf(Promise.race([cache.getOrSet('nothing', load), sleep(1_000, 'still waiting')]));

    expect(outcome).toMatchObject({ value: undefined });
    expect(calls).toBe(2);
  });

  it('two loaders that ask for each other do not wait for each other', async () => {
    const { cache } = await connect();
    const { load: until, begun, finish } = heldLoad<void>();
    const first = cache.getOrSet('a', async () => (await until(), `a${await cache.getOrSet('b', () => '-')}`));
    const second = cache.getOrSet('b', async () => (await until(), `b${await cache.getOrSet('a', () => '-')}`));
    await begun;

    finish();
    const outcome = await outcomeOf(Promise.all([first, second]));

    expect(outcome.error).toBeUndefined();
    expect(outcome.tookMs).toBeLessThan(1_000);
  });

  it('stores and reads many keys in one call', async () => {
    const { cache } = await connect();
    const keys = Array.from({ length: 40 }, (_, index) => ['many', index] as const);

    await cache.setMany(keys.slice(0, 30).map((key) => [key, { index: key[1] }]));
    const found = await cache.getMany<{ index: number }>(keys);

    expect([...found]).toEqual(keys.slice(0, 30).map((key) => [key, { index: key[1] }]));
    await expect(
      cache.setMany([
        ['a', 1],
        ['b', undefined],
      ]),
    ).rejects.toThrow('undefined cannot be cached');
    expect(await cache.has('a')).toBe(false);
  });

  it('loads what is missing of many keys by one call, and stores it', async () => {
    const { cache } = await connect();
    await cache.set('user:1', 'cached 1');
    const asked: string[][] = [];
    const load = async (missing: string[]) => {
      asked.push(missing);
      return new Map(missing.filter((key) => key !== 'user:4').map((key) => [key, `loaded ${key}`]));
    };

    const first = await cache.getOrSetMany(['user:1', 'user:2', 'user:3', 'user:4'], load);
    const second = await cache.getOrSetMany(['user:3', 'user:2', 'user:1'], load);

    expect(asked).toEqual([['user:2', 'user:3', 'user:4']]);
    expect([...first]).toEqual([
      ['user:1', 'cached 1'],
      ['user:2', 'loaded user:2'],
      ['user:3', 'loaded user:3'],
    ]);
    expect([...second.values()]).toEqual(['loaded user:3', 'loaded user:2', 'cached 1']);
    expect(await cache.has('user:4')).toBe(false);
  });

  it('shares the loads of many keys with other calls, and a delete during one wins', async () => {
    const { cache } = await connect();
    const single = heldLoad<string>();
    const batch = heldLoad<void>();
    const one = cache.getOrSet('user:1', single.load);
    await single.begun;
    const asked: string[] = [];
    const many = cache.getOrSetMany(['user:1', 'user:2', 'user:3'], async (missing) => {
      asked.push(...missing);
      await batch.load();
      return new Map(missing.map((key) => [key, `old ${key}`]));
    });
    await batch.begun;

    await cache.delete('user:2');
    const later = cache.getOrSet('user:2', () => 'new');
    single.finish('single');
    batch.finish();

    expect(asked).toEqual(['user:2', 'user:3']);
    expect(await one).toBe('single');
    expect([...(await many).values()].sort()).toEqual(['old user:2', 'old user:3', 'single']);
    expect(await later).toBe('new');
    expect(await cache.get('user:2')).toBe('new');
    expect(await cache.get('user:3')).toBe('old user:3');
  });

  it('a loader of many keys that fails rejects the call, and frees the keys', async () => {
    const { cache } = await connect();

    await expect(cache.getOrSetMany(['a', 'b'], () => Promise.reject(new Error('no database')))).rejects.toThrow(
      'no database',
    );

    expect(await cache.getOrSetMany(['a', 'b'], (missing) => new Map(missing.map((key) => [key, key])))).toEqual(
      new Map([
        ['a', 'a'],
        ['b', 'b'],
      ]),
    );
  });

  it('keeps the keys of a namespace apart', async () => {
    const { cache } = await connect('shop');
    const key = randomUUID();
    const users = cache.namespace('users', { ttl: '1h' });

    await cache.set(key, 'shop');
    await users.set(key, 'user');
    await users.namespace('archive').set(key, 'archived');

    expect([await cache.get(key), await users.get(key)]).toEqual(['shop', 'user']);
    expect(await cache.namespace('users.archive').get(key)).toBe('archived');
    expect(await users.delete(key)).toBe(1);
    expect(await cache.has(key)).toBe(true);
    expect(() => cache.namespace('a:b')).toThrow('cannot be used');
  });

  it('deletes many keys in one call', async () => {
    const { cache } = await connect();
    const keys = Array.from({ length: 40 }, (_, index) => ['many', index] as const);
    await Promise.all(keys.map((key) => cache.set(key, key[1])));

    expect(await cache.delete(...keys, 'absent')).toBe(40);
    expect(await cache.has(keys[0]!)).toBe(false);
  });
});

describe('two processes on one Redis', () => {
  it('a delete in one wins over a load in the other', async () => {
    const namespace = randomUUID();
    const [one, other] = await Promise.all([
      openCache(sharedServers().standalone, { namespace }),
      openCache(sharedServers().standalone, { namespace }),
    ]);
    const { load, begun, finish } = heldLoad<string>();
    const early = one.cache.getOrSet('raced', load);
    await begun;

    await other.cache.delete('raced');
    finish('old');
    await early;

    expect(await one.cache.get('raced')).toBeUndefined();
    expect(await other.cache.getOrSet('raced', () => 'new')).toBe('new');
    expect(await one.cache.getOrSet('raced', () => 'newer')).toBe('new');
  });

  it('DEL by any other program voids a load, and a value is JSON after the first line', async () => {
    const namespace = randomUUID();
    const { cache, connection } = await openCache(sharedServers().standalone, { namespace });
    const key = `app:cache:${namespace}:user:42`;
    await cache.set(['user', 42], { name: 'Ada' });
    expect(await connection.client.get(key)).toMatch(/^n1;v=\d+-\w+;l=\d+\n{"name":"Ada"}$/);

    await connection.client.del(key);
    const { load, begun, finish } = heldLoad<string>();
    const early = cache.getOrSet('user:42', load);
    await begun;
    await connection.client.del(key);
    finish('old');
    await early;

    expect(await cache.get(['user', 42])).toBeUndefined();
  });

  it('a placeholder that somebody has made to last is waited for no longer than one of a process that has died', async () => {
    const namespace = randomUUID();
    const { cache, connection } = await openCache(sharedServers().standalone, { namespace });
    await connection.client.set(`app:cache:${namespace}:lasting`, 'n1;lease=nobody\n');

    const { value, tookMs } = await outcomeOf(cache.getOrSet('lasting', () => 'loaded'));

    expect(value).toBe('loaded');
    expect(tookMs).toBeLessThan(7_000);
    expect(await connection.client.get(`app:cache:${namespace}:lasting`)).toMatch(/\n"loaded"$/);
  });

  it('what others have put under a key is a miss, and is replaced', async () => {
    const namespace = randomUUID();
    const { cache, connection } = await openCache(sharedServers().standalone, { namespace });
    const strangers: [string, () => Promise<unknown>][] = [
      ['list', () => connection.client.lpush(`app:cache:${namespace}:list`, 'x')],
      ['text', () => connection.client.set(`app:cache:${namespace}:text`, 'no header')],
      ['broken', () => connection.client.set(`app:cache:${namespace}:broken`, 'n1\n{"cut":')],
      ['future', () => connection.client.set(`app:cache:${namespace}:future`, 'n2\n{}')],
    ];

    for (const [key, write] of strangers) {
      await write();
      expect(await cache.get(key)).toBeUndefined();
      expect(await cache.getOrSet(key, () => 'loaded')).toBe('loaded');
      expect(await cache.get(key)).toBe('loaded');
    }
  });
});

describe('a cache whose Redis is full', () => {
  it('serves what is there, loads the rest, and says so once', async () => {
    const server = await startStandalone();
    const warnings: string[] = [];
    const note = (line: unknown): void => void warnings.push(String(line));
    const { cache, app } = await openCache({ mode: 'standalone', url: server.url });
    app.useLogger({ log: () => undefined, warn: note, error: note });
    await cache.set('there', 'cached');
    await server.configSet('maxmemory', 1);

    expect(await cache.getOrSet('there', () => 'loaded')).toBe('cached');
    expect(await cache.getOrSet('absent', () => 'loaded')).toBe('loaded');
    expect(await cache.getOrSet('absent', () => 'loaded again')).toBe('loaded again');
    await cache.set('there', 'newer');
    expect(await cache.get('there')).toBeUndefined();

    expect(warnings.filter((line) => line.includes('OOM'))).toHaveLength(1);
    await server.stop();
  });
});

describe('a cache whose Redis has gone away', () => {
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
  });
  afterEach(async () => {
    await closeCaches();
    await proxy.stop();
    server.resume();
    await server.stop();
  });

  const connect = (onOutage: 'load' | 'throw' = 'load') =>
    openCache(
      { mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}`, commandTimeout: '300ms' },
      { onOutage, redisTimeout: '45ms' },
    );

  it.each(['dead', 'hung'] as const)(
    'serves what is in process and asks the loader for the rest while it is %s, and makes up for it when it is back',
    async (fault) => {
      const { cache, connection } = await connect();
      const other = await openCache({ mode: 'standalone', url: server.url });
      await cache.setMany([
        ['key', 'cached'],
        ['doomed', 'old'],
        ['written', 'old'],
      ]);
      if (fault === 'dead') proxy.cut();
      else server.pause();

      const outcomes = [];
      for (let call = 0; call < 20; call++) {
        outcomes.push(await outcomeOf(cache.getOrSet(['absent', call], () => 'loaded')));
        outcomes.push(await outcomeOf(cache.getOrSet('key', () => 'loaded')));
      }
      expect(outcomes.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, () => ['loaded', 'cached']).flat());
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(100);
      await cache.set('written', 'new');
      await cache.set('not there before', 'x');
      expect(await cache.delete('doomed')).toBe(0);
      expect(await cache.get('doomed')).toBeUndefined();
      expect(await cache.get('written')).toBe('new');
      expect(cache.stats().journalled).toBeGreaterThanOrEqual(2);

      const up = new Promise<void>((resolve) => connection.on('up', resolve));
      if (fault === 'dead') proxy.heal();
      else server.resume();
      await up;
      await eventually('the journal is empty', () => cache.stats().journalled === 0);
      expect(await cache.getOrSet('key', () => 'loaded again')).toBe('cached');
      expect(await other.cache.get('doomed')).toBeUndefined();
      expect(await other.cache.get('written')).toBe('new');
      expect(await other.cache.get('not there before')).toBeUndefined();
    },
  );

  it("throws when it is told to: onOutage: 'throw'", async () => {
    const { cache } = await connect('throw');
    proxy.cut();

    const outage = { code: expect.stringMatching(/^REDIS_(UNREACHABLE|TIMEOUT)$/) };
    await expect(cache.get('key')).rejects.toMatchObject(outage);
    await expect(cache.getOrSet('key', () => 'loaded')).rejects.toMatchObject(outage);
    await expect(cache.set('key', 'x')).rejects.toMatchObject(outage);
    await expect(cache.delete('key')).rejects.toMatchObject(outage);
    expect(await cache.getOrSet('key', () => 'loaded', { onOutage: 'load' })).toBe('loaded');
  });

  it('gives the caller what was loaded when Redis goes away during the load', async () => {
    const { cache } = await connect();
    const { load, begun, finish } = heldLoad<string>();
    const loading = cache.getOrSet('key', load);
    await begun;

    proxy.cut();
    finish('loaded');

    await expect(loading).resolves.toBe('loaded');
  });
});
