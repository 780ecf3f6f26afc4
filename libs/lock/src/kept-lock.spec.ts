import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError } from '@nuthatch/redis';
import type { Renewed } from './drivers/lock-driver.js';
import { gate, never, openCore, openStore, type OpenCore } from './fixtures/open-core.js';
import type { KeptLock } from './kept-lock.js';
import {
  LockCallError,
  LockExpiredError,
  LockForcedError,
  LockReleasedError,
  LockStolenError,
  LockUnreachableError,
} from './lock.errors.js';
import { thisMoment } from './moment.js';

const TIMEOUT = new RedisTimeoutError('default', 'renew', 1_000, 'unknown');
const MOST_EARLY_MS = 100;

let app: OpenCore;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  app = openCore({ redisTimeout: '1s', ttl: '9s' });
});
afterEach(async () => {
  app.driver.instead = {};
  jest.restoreAllMocks();
  void app.core.close();
  await elapse(5_000);
  jest.useRealTimers();
});

const elapse = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

/** Lets the process stand still: its clock goes on, and no timer runs. */
function freeze(ms: number): void {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}

/** When its signal aborted, on the clock of `performance.now()`. */
function abortOf(lock: KeptLock): { at: number | undefined } {
  const abort: { at: number | undefined } = { at: undefined };
  lock.signal.addEventListener('abort', () => (abort.at = performance.now()));
  return abort;
}

describe('The signal of a lock', () => {
  const answers: [string, () => Promise<Renewed[]>][] = [
    ['hang', never],
    ['fail', () => Promise.reject(TIMEOUT)],
    ['fail with an error of the server', () => Promise.reject(new Error('ERR what now'))],
    [
      'are answered when it is too late',
      () => {
        const since = thisMoment();
        const late: Renewed[] = [{ state: 'renewed', token: 1n, since }];
        return new Promise((resolve) => setTimeout(resolve, 9_500, late));
      },
    ],
    [
      'were sent long before the answer came',
      async () => [{ state: 'renewed', token: 1n, since: { monotonic: -60_000, wall: Date.now() - 60_000 } }],
    ],
  ];

  it.each(answers)('aborts shortly before its validity ends where renewals %s', async (_, renew) => {
    const sentAt = performance.now();
    const lock = await app.acquire('k');
    const abort = abortOf(lock);
    app.driver.instead.renew = renew;

    await elapse(9_000 - MOST_EARLY_MS);
    expect(app.driver.count('renew')).toBeGreaterThan(0);
    if (!_.startsWith('were sent')) expect(abort.at).toBeUndefined();
    await elapse(MOST_EARLY_MS);

    expect(abort.at).toBeLessThan(sentAt + 9_000);
    expect(lock.signal.reason).toBeInstanceOf(LockExpiredError);
    expect(() => lock.assertHeld()).toThrow(LockExpiredError);
    expect(lock.validForMs()).toBe(0);
    await elapse(9_000);
    expect(lock.signal.reason).toBe(abort.at && lock.signal.reason);
  });

  it('does not abort while it is renewed, until it has been held for as long as it may', async () => {
    const lock = await app.acquire('k', { maxHold: '60s' });
    const abort = abortOf(lock);
    const heldSince = performance.now();

    await elapse(60_000 - MOST_EARLY_MS);
    expect(abort.at).toBeUndefined();
    expect(await app.holders('k')).toHaveLength(1);
    await elapse(MOST_EARLY_MS);

    expect(abort.at).toBeLessThan(heldSince + 60_000);
    expect((lock.signal.reason as Error).message).toContain('"maxHold" allows (60000ms)');
    await elapse(10);
    expect(await app.holders('k')).toEqual([]);
    // One in three seconds, and few more towards the end.
    expect(app.driver.count('renew')).toBeLessThan(20);
  });

  it('counts validity from before the command was sent', async () => {
    const answered = gate();
    app.driver.instead.acquire = async (ask) => {
      const answer = await ask();
      await answered.promise;
      return answer;
    };
    const sentAt = performance.now();
    const acquiring = app.acquire('k');
    await elapse(4_000);
    answered.open();
    const lock = await acquiring;
    app.driver.instead.renew = never;

    const abort = abortOf(lock);
    expect(lock.validForMs()).toBeLessThan(5_000);
    await elapse(5_000);

    expect(abort.at).toBeLessThan(sentAt + 9_000);
  });

  it.each([
    ['stolen', LockStolenError],
    ['forced', LockForcedError],
    ['expired', LockExpiredError],
  ] as const)('aborts at once when a renewal is answered with %s', async (state, error) => {
    const lock = await app.acquire('k');
    const abort = abortOf(lock);
    app.driver.instead.renew = async () => [{ state }];

    await elapse(3_100);

    expect(abort.at).toBeDefined();
    expect(lock.signal.reason).toBeInstanceOf(error);
    expect(() => lock.assertHeld()).toThrow(error);
  });

  it('aborts at once when an operator takes the lock away, and only then', async () => {
    const [lock, other] = [await app.acquire('k'), await app.acquire('other')];

    await app.driver.force('spec:lock:{k}');
    await elapse(0);

    expect(lock.signal.reason).toBeInstanceOf(LockForcedError);
    expect(other.signal.aborted).toBe(false);
    expect(await lock.release()).toBe('forced');
  });

  it('aborts when the lock is released', async () => {
    const lock = await app.acquire('k');
    const { signal } = lock;

    await lock.release();

    expect(signal.reason).toBeInstanceOf(LockReleasedError);
    expect((await app.acquire('k')).signal.aborted).toBe(false);
  });

  it('is aborted already when it is looked at first after the loss', async () => {
    const [lost, released] = [await app.acquire('lost'), await app.acquire('released')];
    app.driver.instead.renew = never;
    await released.release();
    await elapse(9_000);

    expect(lost.signal.reason).toBeInstanceOf(LockExpiredError);
    expect(released.signal.reason).toBeInstanceOf(LockReleasedError);
    expect(lost.signal).toBe(lost.signal);
  });
});

describe('Before any timer has run', () => {
  it.each<[string, (lock: KeptLock) => void]>([
    ['assertHeld()', (lock) => expect(() => lock.assertHeld()).toThrow(LockExpiredError)],
    ['validForMs()', (lock) => expect(lock.validForMs()).toBe(0)],
    ['the signal', (lock) => expect(lock.signal.reason).toBeInstanceOf(LockExpiredError)],
  ])('%s knows that the process stood still', async (_, look) => {
    const lock = await app.acquire('k');
    lock.assertHeld();

    freeze(9_000);

    look(lock);
  });

  it.each<[string, (lock: KeptLock) => unknown]>([
    ['assertHeld()', (lock) => lock.assertHeld()],
    ['the signal', (lock) => lock.signal.throwIfAborted()],
  ])('%s knows that the machine was asleep', async (_, look) => {
    const lock = await app.acquire('k');

    jest.setSystemTime(Date.now() + 9_000);

    expect(() => look(lock)).toThrow(LockExpiredError);
  });

  it('extend() knows it, and asks nobody', async () => {
    const lock = await app.acquire('k');
    freeze(9_000);

    await expect(lock.extend('9s')).rejects.toThrow(LockExpiredError);

    expect(app.driver.count('renew')).toBe(0);
  });
});

describe('A clock that is set', () => {
  it('forwards is taken for sleep, and the signal aborts soon', async () => {
    const lock = await app.acquire('k');
    const abort = abortOf(lock);

    jest.setSystemTime(Date.now() + 9_000);
    await elapse(300);

    expect(abort.at).toBeDefined();
  });

  it('back does not make a lock valid for longer', async () => {
    const lock = await app.acquire('k');
    const abort = abortOf(lock);
    app.driver.instead.renew = never;

    jest.setSystemTime(Date.now() - 3_600_000);
    await elapse(4_000);
    expect(lock.validForMs()).toBeLessThan(5_000);
    await elapse(5_000);

    expect(abort.at).toBeLessThan(9_000 + performance.now());
    expect(lock.signal.aborted).toBe(true);
  });

  it('forth and back is forgotten by the next renewal', async () => {
    const lock = await app.acquire('k');
    jest.setSystemTime(Date.now() + 5_000);
    expect(lock.validForMs()).toBeLessThan(4_000);
    await elapse(3_100);

    expect(lock.validForMs()).toBeGreaterThan(8_000);
    jest.setSystemTime(Date.now() - 5_000);
    await elapse(20_000);

    expect(lock.signal.aborted).toBe(false);
  });
});

describe('extend()', () => {
  it('makes it valid for so long from now on, and renews it by that', async () => {
    const lock = await app.acquire('k');

    await lock.extend('30s');

    expect(lock.validForMs()).toBeGreaterThan(29_900);
    await elapse(9_000);
    expect(app.driver.count('renew')).toBe(1);
    await elapse(2_000);
    expect(app.driver.count('renew')).toBe(2);
    expect(lock.validForMs()).toBeGreaterThan(28_000);
  });

  it('is refused after a release, also one that has not been answered', async () => {
    const lock = await app.acquire('k');
    app.driver.instead.release = never;
    void lock.release();

    await expect(lock.extend('9s')).rejects.toThrow(LockReleasedError);
    expect(app.driver.count('renew')).toBe(0);
  });

  it('tells that the lock was released while it was asked for', async () => {
    const lock = await app.acquire('k');
    const answered = gate();
    app.driver.instead.renew = async (ask) => (await answered.promise, ask());
    const extending = lock.extend('30s');

    expect(await lock.release()).toBe('released');
    answered.open();

    await expect(extending).rejects.toThrow(LockReleasedError);
    expect(await app.holders('k')).toEqual([]);
  });

  it('beyond maxHold is refused', async () => {
    const lock = await app.acquire('k', { maxHold: '20s' });
    await elapse(12_000);

    await expect(lock.extend('9s')).rejects.toThrow(
      'ttl is \'9s\': lock "k" would be held for longer than its "maxHold" of 20000ms',
    );
    await expect(lock.extend('7s')).resolves.toBeUndefined();
    await elapse(8_000);
    expect(lock.signal.aborted).toBe(true);
  });

  it.each(['', '0ms', '-1s', '1', '2s', 'soon', 5, null, undefined, Number.NaN])('is refused for %p', async (ttl) => {
    const lock = await app.acquire('k');

    await expect(lock.extend(ttl as '1s')).rejects.toThrow(LockCallError);

    expect(app.driver.count('renew')).toBe(0);
    lock.assertHeld();
  });

  it('leaves it as it was where Redis does not answer', async () => {
    const lock = await app.acquire('k');
    const before = lock.validForMs();
    app.driver.instead.renew = () => Promise.reject(TIMEOUT);

    await expect(lock.extend('30s')).rejects.toThrow(LockUnreachableError);

    expect(lock.validForMs()).toBe(before);
  });

  it('by less than it has counts where the answer was lost: Redis may have done it', async () => {
    const lock = await app.acquire('k', { ttl: '60s' });
    app.driver.instead.renew = async (ask) => (await ask(), Promise.reject(TIMEOUT));

    await expect(lock.extend('3s')).rejects.toThrow(LockUnreachableError);

    expect(lock.validForMs()).toBeLessThan(3_000);
    await elapse(2_990);
    expect([lock.signal.aborted, await app.holders('k')]).toEqual([true, [expect.anything()]]);
  });

  it('by less than it has counts from the moment of asking, also while nobody answers', async () => {
    const lock = await app.acquire('k', { ttl: '60s' });
    app.driver.instead.renew = async (ask) => (await ask(), never());
    void lock.extend('3s').catch(() => undefined);

    await elapse(2_990);

    expect([lock.signal.aborted, await app.holders('k')]).toEqual([true, [expect.anything()]]);
  });

  it('by less than it has is not undone by the answer to an earlier renewal', async () => {
    const lock = await app.acquire('k', { ttl: '60s' });
    const answered = gate();
    app.driver.instead.renew = async (ask) => {
      const answers = await ask();
      await answered.promise;
      return answers;
    };
    await elapse(20_010);
    expect(app.driver.count('renew')).toBe(1);
    app.driver.instead.renew = async (ask) => (await ask(), Promise.reject(TIMEOUT));
    await elapse(1);
    await expect(lock.extend('3s')).rejects.toThrow(LockUnreachableError);

    answered.open();
    await elapse(0);

    expect(lock.validForMs()).toBeLessThan(3_000);
  });

  it('by less than it has is made good by the next renewal', async () => {
    const lock = await app.acquire('k', { ttl: '60s' });
    app.driver.instead.renew = () => Promise.reject(TIMEOUT);
    await expect(lock.extend('3s')).rejects.toThrow(LockUnreachableError);
    delete app.driver.instead.renew;

    await elapse(1_100);

    expect(lock.validForMs()).toBeGreaterThan(59_000);
  });
});

describe('release()', () => {
  it('twice is one release, with one outcome', async () => {
    const lock = await app.acquire('k');

    expect(await Promise.all([lock.release(), lock.release()])).toEqual(['released', 'released']);
    expect(await lock.release()).toBe('released');
    expect(app.driver.count('release')).toBe(1);
  });

  it('of a lock that was lost says what became of it', async () => {
    const store = openStore();
    const [one, other] = [openCore({ ttl: '3s' }, { store }), openCore({ ttl: '3s' }, { store })];
    const [expired, stolen] = [await one.acquire('expired'), await one.acquire('stolen')];
    one.driver.instead.renew = never;
    await elapse(3_010);
    const thief = await other.acquire('stolen');

    expect([await expired.release(), await stolen.release()]).toEqual(['expired', 'stolen']);
    expect(await other.holders('stolen')).toHaveLength(1);
    expect(await thief.release()).toBe('released');
  });

  it('that Redis does not answer is told, and tried again until the time of the lock is over', async () => {
    const lock = await app.acquire('k');
    app.driver.instead.release = () => Promise.reject(TIMEOUT);

    await expect(lock.release()).rejects.toThrow(LockUnreachableError);
    await expect(lock.release()).rejects.toThrow(LockUnreachableError);
    delete app.driver.instead.release;
    await elapse(600);

    expect(await app.holders('k')).toEqual([]);
    const tries = app.driver.count('release');
    await elapse(20_000);
    expect(app.driver.count('release')).toBe(tries);
  });

  it('that nobody answers is not tried for ever', async () => {
    const lock = await app.acquire('k');
    app.driver.instead.release = () => Promise.reject(TIMEOUT);
    await expect(lock.release()).rejects.toThrow();
    await elapse(9_600);
    const tries = app.driver.count('release');

    await elapse(60_000);

    expect(app.driver.count('release')).toBe(tries);
    expect(tries).toBeLessThan(25);
  });

  it('at the end of a block never throws', async () => {
    app.driver.instead.release = () => Promise.reject(TIMEOUT);
    const section = async (): Promise<void> => {
      await using lock = await app.acquire('k');
      lock.assertHeld();
      throw new Error('what the section says');
    };

    await expect(section()).rejects.toThrow('what the section says');
    const lock = await app.acquire('other');
    await expect(lock[Symbol.asyncDispose]()).resolves.toBeUndefined();
    await expect(lock[Symbol.asyncDispose]()).resolves.toBeUndefined();
  });

  it('leaves no unhandled rejection where nobody looks at it', async () => {
    const lock = await app.acquire('k');
    app.driver.instead.renew = async () => [{ state: 'stolen' }];
    await elapse(4_000);

    expect(lock.hasEnded).toBe(true);
    expect(await lock.release()).toBe('released');
  });
});
