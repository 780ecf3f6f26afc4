import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RedisConnections, RedisModule, type RedisConnection } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { Test } from '@nestjs/testing';
import { FencedWriteRejectedError } from '../../libs/lock/src/fencing/fenced-write-rejected.error.js';
import { createFencedStore, type FencedStore } from '../../libs/lock/src/fencing/fenced-store.js';
import { FENCE_OUTLIVES_MS } from '../../libs/lock/src/fencing/fenced-values.js';
import type { Lock } from '../../libs/lock/src/lock.js';
import { LockExpiredError } from '../../libs/lock/src/lock.errors.js';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';

const namespace = `spec-${randomUUID()}`;
const root = `${namespace}:fenced:`;
let keys = 0;
const newKey = (): string => `seat:${(keys += 1)}`;

/** Who has been granted it with that token; `lost`: and knows by now that it is held no more. */
function holder(token: bigint, lost = false): Lock {
  const assertHeld = (): void => {
    if (lost) throw new LockExpiredError('seat', token, 'its validity has ended.');
  };
  return { key: 'seat', token, assertHeld } as Lock;
}

const rejection = (token: bigint, highest: bigint): object =>
  expect.objectContaining({ name: 'FencedWriteRejectedError', code: 'LOCK_FENCED', key: 'seat', token, highest });

async function open(mode: 'embedded' | 'standalone' | 'sentinel' | 'cluster'): Promise<RedisConnection> {
  if (mode === 'embedded') {
    const module = await Test.createTestingModule({ imports: [RedisModule.forRoot()] }).compile();
    return module.get(RedisConnections).get();
  }
  const { connection } = await openConnection(sharedServers()[mode]);
  await untilUp(connection);
  return connection;
}

afterAll(closeConnections);

describe.each(['embedded', 'standalone', 'sentinel', 'cluster'] as const)('FencedStore on %s', (mode) => {
  let store: FencedStore;

  beforeAll(async () => {
    store = createFencedStore(await open(mode), namespace);
  });

  it('keeps what the holder of a lock writes', async () => {
    const key = newKey();
    const value = { buyer: 'ada', at: new Date(0), price: 12n };
    await store.set(key, value, holder(5n));
    expect(await store.get(key)).toEqual(value);
    await store.set(key, null, holder(5n));
    expect(await store.get(key)).toBeNull();
    expect(await store.get(newKey())).toBeUndefined();
  });

  it('refuses an earlier holder whose write comes late, and says by which token', async () => {
    const key = newKey();
    await store.set(key, 'ada', holder(5n));
    await store.set(key, 'bob', holder(6n));

    await expect(store.set(key, 'ada again', holder(5n))).rejects.toEqual(rejection(5n, 6n));
    await expect(store.delete(key, holder(4n))).rejects.toBeInstanceOf(FencedWriteRejectedError);
    expect(await store.get(key)).toBe('bob');
  });

  // As numbers these are the same, and as texts the longer ones are smaller.
  it.each([
    [9_007_199_254_740_993n, 9_007_199_254_740_992n],
    [10n, 9n],
    [123_456_789_012_345_678_901n, 99n],
  ])('knows that %p is more than %p', async (more, less) => {
    const key = newKey();
    await store.set(key, 'ada', holder(less));
    await store.set(key, 'bob', holder(more));
    await expect(store.set(key, 'ada', holder(less))).rejects.toEqual(rejection(less, more));
  });

  it('keeps the fence of what was deleted, so that an earlier holder cannot bring it back', async () => {
    const key = newKey();
    await store.set(key, 'ada', holder(5n));
    expect(await store.delete(key, holder(6n))).toBe(true);
    expect(await store.delete(key, holder(6n))).toBe(false);

    await expect(store.set(key, 'ada', holder(5n))).rejects.toEqual(rejection(5n, 6n));
    expect(await store.get(key)).toBeUndefined();
    await store.set(key, 'bob', holder(6n));
    expect(await store.get(key)).toBe('bob');
  });

  it('keeps the fence of a value whose time is over', async () => {
    const key = newKey();
    await store.set(key, 'ada', holder(5n), { ttl: '1ms' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await store.get(key)).toBeUndefined();
    expect(await store.delete(key, holder(5n))).toBe(false);
    await expect(store.set(key, 'ada', holder(4n))).rejects.toEqual(rejection(4n, 5n));
  });

  it('lets nobody earlier change what a holder has read in order to write', async () => {
    const key = newKey();
    await store.set(key, 'ada', holder(5n));
    expect(await store.get(key, holder(6n))).toBe('ada');

    await expect(store.set(key, 'ada again', holder(5n))).rejects.toEqual(rejection(5n, 6n));
    await expect(store.get(key, holder(5n))).rejects.toEqual(rejection(5n, 6n));
    expect(await store.get(key)).toBe('ada');
  });

  it('sends nothing for who knows that the lock is lost', async () => {
    const key = newKey();
    const lost = holder(9n, true);
    await expect(store.set(key, 'ada', lost)).rejects.toBeInstanceOf(LockExpiredError);
    await expect(store.delete(key, lost)).rejects.toBeInstanceOf(LockExpiredError);
    await expect(store.get(key, lost)).rejects.toBeInstanceOf(LockExpiredError);
    await store.set(key, 'bob', holder(1n));
    expect(await store.get(key)).toBe('bob');
  });

  it.each([
    ['an empty key', '', 'ada', undefined, 'LOCK_CALL'],
    ['no value', 'seat', undefined, undefined, 'LOCK_CALL'],
    ['a value that is a function', 'seat', () => 1, undefined, 'CODEC'],
    ['a ttl without its unit', 'seat', 'ada', { ttl: 5 }, 'LOCK_CALL'],
    ['an option that there is not', 'seat', 'ada', { px: '5s' }, 'LOCK_CALL'],
  ])('refuses %s', async (_what, key, value, options, code) => {
    await expect(store.set(key, value, holder(1n), options as object)).rejects.toMatchObject({ code });
  });
});

it('FencedStore on an embedded connection runs no scripts', async () => {
  const store = createFencedStore(await open('embedded'), namespace);
  await expect(store.run('return 1', { keys: ['stock'] }, holder(1n))).rejects.toMatchObject({
    code: 'REDIS_EMBEDDED',
  });
});

describe.each(['standalone', 'cluster'] as const)('In Redis (%s) a fenced value', (mode) => {
  let connection: ServerConnection;
  let store: FencedStore;
  const call = (name: string, ...args: string[]): Promise<unknown> => connection.call(name, args);

  beforeAll(async () => {
    connection = (await open(mode)) as ServerConnection;
    store = createFencedStore(connection, namespace);
  });

  it('is JSON that any language reads, with its token beside it', async () => {
    const key = newKey();
    await store.set(key, { buyer: 'ada' }, holder(5n), { ttl: '1m' });
    const stored = `${root}{${key.replace(':', '%3A')}}`;

    const [value, fence, until] = (await call('hmget', stored, 'value', 'fence', 'until')) as string[];
    expect([value, fence]).toEqual(['{"buyer":"ada"}', '5']);
    expect(Math.abs(Number(until) - Date.now() - 60_000)).toBeLessThan(5_000);
    expect(Number(await call('pexpiretime', stored))).toBe(Number(until) + FENCE_OUTLIVES_MS);
  });

  it('expires also where only its token is left', async () => {
    const key = newKey();
    const stored = `${root}{${key.replace(':', '%3A')}}`;
    await store.set(key, 'ada', holder(5n), { ttl: '1ms' });
    await call('persist', stored);
    await store.get(key);
    await store.delete(key, holder(5n));

    expect(await call('hgetall', stored)).toEqual({ fence: '5' });
    const left = Number(await call('pttl', stored));
    expect(left).toBeGreaterThan(FENCE_OUTLIVES_MS - 5_000);
    expect(left).toBeLessThanOrEqual(FENCE_OUTLIVES_MS);
  });

  it('replaces what somebody has put there by hand', async () => {
    const key = newKey();
    const stored = `${root}{${key.replace(':', '%3A')}}`;
    await call('set', stored, 'by hand');
    expect(await store.get(key)).toBeUndefined();
    await store.set(key, 'ada', holder(5n));
    await call('hset', stored, 'fence', 'by hand', 'until', 'by hand');
    expect(await store.get(key)).toBeUndefined();
    await store.set(key, 'ada', holder(5n));
    expect(await store.get(key)).toBe('ada');
  });

  describe('beside a script', () => {
    const take = `redis.call('DECRBY', KEYS[1], ARGV[1]) return { KEYS[1], #KEYS, ARGV[1], #ARGV } -- the end`;

    it('is a fence of which the script knows nothing', async () => {
      const key = `{${randomUUID()}}:stock`;
      await call('set', key, '10');
      expect(await store.run(take, { keys: [key], args: [3] }, holder(5n))).toEqual([key, 1, '3', 1]);
      await store.run(`redis.call('SET', KEYS[2], 'x') return #ARGV`, { keys: [key, `${key}:note`] }, holder(6n));

      await expect(store.run(take, { keys: [key], args: [3] }, holder(5n))).rejects.toEqual(rejection(5n, 6n));
      expect(await call('get', key)).toBe('7');
      expect(await call('get', `${key}:note`)).toBe('x');
    });

    it('stands in the slot of the first key, whatever its name is, and expires', async () => {
      const tag = randomUUID();
      for (const key of [`stock:{${tag}}:7`, `stock:${tag}`, `a b:${tag}`]) {
        await store.run(`return redis.call('SET', KEYS[1], ARGV[1])`, { keys: [key], args: ['7'] }, holder(5n));
      }
      const fence = `${root}{${tag}}:stock%3A%7B${tag}%7D%3A7`;
      expect(await call('hgetall', fence)).toEqual({ fence: '5' });
      expect(Number(await call('pttl', fence))).toBeGreaterThan(FENCE_OUTLIVES_MS - 5_000);
    });

    it('has a script with thousands of arguments run as well', async () => {
      const args = Array.from({ length: 20_000 }, (_, index) => index);
      const key = `{${randomUUID()}}`;
      expect(await store.run('return ARGV[#ARGV]', { keys: [key], args }, holder(5n))).toBe('19999');
    });

    it('lets through what goes wrong in the script', async () => {
      const run = (lua: string): Promise<unknown> => store.run(lua, { keys: [newKey()] }, holder(5n));
      await expect(run('return nonsense(')).rejects.toThrow('compil');
      await expect(run(`return redis.error_reply('SOLD out')`)).rejects.toThrow('SOLD out');
    });

    it.each([[[]], [['a{}b']], [['a b}']]])('does not exist for the keys %p', async (keys) => {
      await expect(store.run('return 1', { keys }, holder(5n))).rejects.toMatchObject({ code: 'LOCK_CALL' });
    });
  });
});

describe('FencedStore whose Redis stops', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startStandalone();
  });

  afterAll(() => server?.stop());

  it('says that it is away, and takes that for no refusal', async () => {
    const { connection } = await openConnection({ mode: 'standalone', url: server.url, commandTimeout: '200ms' });
    await untilUp(connection);
    const store = createFencedStore(connection, namespace);
    await server.stop();
    await expect(store.set('seat', 'ada', holder(5n))).rejects.toMatchObject({
      code: expect.stringMatching(/^REDIS_(UNREACHABLE|TIMEOUT)$/),
    });
  });
});
