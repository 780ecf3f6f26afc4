import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError } from '@nuthatch/redis';
import type { Renewal, Renewed } from './drivers/lock-driver.js';
import { gate, never, openCore, type OpenCore } from './fixtures/open-core.js';
import { thisMoment } from './moment.js';

const TIMEOUT = new RedisTimeoutError('default', 'renew', 1_000, 'unknown');
const WRONGTYPE = new Error('WRONGTYPE Operation against a key holding the wrong kind of value');

let app: OpenCore;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  app = openCore({ redisTimeout: '1s', ttl: '9s' });
});
afterEach(async () => {
  app.driver.instead = {};
  void app.core.close();
  await elapse(5_000);
  jest.useRealTimers();
});

const elapse = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
const keysOf = (renewals: readonly Renewal[]): string[] => renewals.map(({ key }) => key.slice(-2, -1)).sort();

/** Renewals fail as a whole where one of these keys is among them. */
function failFor(key: string, error: Error, afterMs = 0): void {
  app.driver.instead.renew = async (ask) => {
    const asked = app.driver.renewals.at(-1)!;
    if (!asked.some((renewal) => renewal.key.endsWith(`{${key}}`))) return ask();
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    throw error;
  };
}

describe('The renewals of a process', () => {
  it('are one call for all locks that are due at about the same time', async () => {
    for (const key of ['a', 'b', 'c', 'd']) {
      await app.acquire(key);
      await elapse(100);
    }
    await app.acquire(['e', 'f']);

    await elapse(3_000);

    expect(app.driver.renewals.map(keysOf)).toEqual([['a', 'b', 'c', 'd', 'e', 'f']]);
    await elapse(27_000);
    expect(app.driver.count('renew')).toBeLessThan(12);
  });

  it('are by a third of the time of each lock', async () => {
    await app.acquire('a', { ttl: '30s' });
    await app.acquire('b', { ttl: '3s' });

    await elapse(9_400);

    expect(app.driver.renewals.map(keysOf)).toEqual(Array.from({ length: 9 }, () => ['b']));
    await elapse(700);
    expect(app.driver.renewals.at(-1)!.length + app.driver.renewals.at(-2)!.length).toBeGreaterThan(2);
  });

  it('are not sent again while the answer is awaited', async () => {
    await app.acquire('a');
    app.driver.instead.renew = never;

    await elapse(8_900);

    expect(app.driver.count('renew')).toBe(1);
  });

  it('are tried again a quarter of a second after they failed, and hold the lock', async () => {
    const lock = await app.acquire('a');
    app.driver.instead.renew = () => Promise.reject(TIMEOUT);
    await elapse(8_000);
    expect(app.driver.count('renew')).toBeGreaterThan(15);
    expect(app.driver.count('renew')).toBeLessThan(25);
    delete app.driver.instead.renew;
    await elapse(20_000);

    expect(lock.signal.aborted).toBe(false);
  });

  it('end with the lock', async () => {
    const lock = await app.acquire('a');
    await lock.release();

    await elapse(20_000);

    expect(app.driver.count('renew')).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('of one key that holds something else do not end the others', async () => {
    const locks = await Promise.all(['a', 'b', 'c'].map((key) => app.acquire(key)));
    failFor('b', WRONGTYPE);

    await elapse(60_000);

    expect(locks.map((lock) => lock.signal.aborted)).toEqual([false, true, false]);
    expect(locks.map((lock) => lock.hasEnded)).toEqual([false, true, false]);
  });

  it('of a server of a Cluster that is away do not end the locks on the others', async () => {
    app = openCore({ redisTimeout: '1s', ttl: '9s' }, { isOneServer: false });
    const locks = await Promise.all(['a', 'b', 'c'].map((key) => app.acquire(key)));
    failFor('b', TIMEOUT, 1_000);

    await elapse(60_000);

    expect(locks.map((lock) => lock.hasEnded)).toEqual([false, true, false]);
  });

  it('of several keys that cannot be asked for together are asked for one by one', async () => {
    app = openCore({ redisTimeout: '1s', ttl: '9s' }, { isOneServer: false });
    const lock = await app.acquire(['a', 'b']);
    app.driver.instead.renew = async (ask) => {
      if (app.driver.renewals.at(-1)!.length > 1) throw TIMEOUT;
      return ask();
    };

    await elapse(60_000);

    expect(lock.signal.aborted).toBe(false);
  });

  it('on one server that is away are not asked for one by one', async () => {
    for (const key of ['a', 'b', 'c']) await app.acquire(key);
    app.driver.instead.renew = () => Promise.reject(TIMEOUT);

    await elapse(5_000);

    expect(app.driver.renewals.every((renewals) => renewals.length === 3)).toBe(true);
  });

  it('that say that one lock is lost end that one alone', async () => {
    const locks = await Promise.all(['a', 'b', 'c'].map((key) => app.acquire(key)));
    app.driver.instead.renew = async (): Promise<Renewed[]> =>
      app.driver.renewals.at(-1)!.map(({ key, token }) => {
        if (key.endsWith('{b}')) return { state: 'stolen' };
        return { state: 'renewed', token, since: thisMoment() };
      });

    await elapse(30_000);

    expect(locks.map((lock) => lock.hasEnded)).toEqual([false, true, false]);
    expect(keysOf(app.driver.renewals.at(-1)!)).toEqual(['a', 'c']);
  });

  it('that are answered after a release change nothing', async () => {
    const lock = await app.acquire('a');
    const answered = gate();
    app.driver.instead.renew = async (ask) => (await answered.promise, ask());
    await elapse(3_100);
    expect(await lock.release()).toBe('released');
    answered.open();
    await elapse(10);

    expect(await app.holders('a')).toEqual([]);
    expect(lock.hasEnded).toBe(true);
    const tries = app.driver.count('renew');
    await elapse(20_000);
    expect(app.driver.count('renew')).toBe(tries);
  });

  it('of several keys are as good as the worst of them', async () => {
    const lock = await app.acquire(['a', 'b']);
    app.driver.instead.renew = async (): Promise<Renewed[]> => [
      {
        state: 'renewed',
        token: lock.token,
        since: { monotonic: performance.now() - 2_000, wall: Date.now() - 2_000 },
      },
      { state: 'renewed', token: lock.token, since: thisMoment() },
    ];

    await elapse(3_010);

    expect(lock.validForMs()).toBeLessThan(7_000);
    expect(lock.validForMs()).toBeGreaterThan(6_800);
    app.driver.instead.renew = async () => [
      { state: 'renewed', token: lock.token, since: thisMoment() },
      { state: 'expired' },
    ];
    await elapse(3_000);
    expect(lock.hasEnded).toBe(true);
  });
});

describe('The timer of a process', () => {
  it('is one for all locks, and none when there are none', async () => {
    const locks = await Promise.all(Array.from({ length: 100 }, (_, index) => app.acquire(`k${index}`)));
    expect(jest.getTimerCount()).toBe(1);
    await elapse(10_000);
    expect(jest.getTimerCount()).toBe(1);

    await Promise.all(locks.map((lock) => lock.release()));
    await elapse(300);

    expect(jest.getTimerCount()).toBe(0);
  });

  it('finds out within a quarter of a second that the machine was asleep', async () => {
    const lock = await app.acquire('a', { ttl: '60s', maxHold: '1h' });
    const { signal } = lock;
    await elapse(1_000);

    jest.setSystemTime(Date.now() + 60_000);
    await elapse(260);

    expect(signal.aborted).toBe(true);
  });

  it('does not run out of step where a listener of a signal throws or locks anew', async () => {
    const [one, other] = [await app.acquire('a'), await app.acquire('b')];
    one.signal.addEventListener('abort', () => void app.acquire('c').catch(() => undefined));
    app.driver.instead.renew = never;

    await elapse(9_000);

    expect([one.hasEnded, other.hasEnded]).toEqual([true, true]);
    await elapse(9_000);
    expect(app.core.events).toBeDefined();
    expect(await app.holders('c')).toEqual([]);
  });
});

it('Ten thousand locks leave nothing behind', async () => {
  for (let round = 0; round < 100; round++) {
    const locks = await Promise.all(Array.from({ length: 50 }, (_, index) => app.acquire(`k${index}`)));
    for (const lock of locks) lock.signal.addEventListener('abort', () => undefined);
    const waiting = locks.map((_, index) => app.acquire(`k${index}`));
    await elapse(1);
    await Promise.all(locks.map((lock) => lock.release()));
    await Promise.all((await Promise.all(waiting)).map((lock) => lock.release()));
  }
  await elapse(2_000);

  expect(jest.getTimerCount()).toBe(0);
  for (let index = 0; index < 50; index++) expect(await app.holders(`k${index}`)).toEqual([]);
  const calls = app.driver.calls.length;
  await elapse(60_000);
  expect(app.driver.calls.length).toBe(calls);
});
