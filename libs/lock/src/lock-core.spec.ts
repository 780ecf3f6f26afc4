import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { MemoryLockStore } from './drivers/memory-lock-store.js';
import { gate, never, openCore, openStore, ROOT, type OpenCore } from './fixtures/open-core.js';
import type { KeptLock } from './kept-lock.js';
import { LockAbortedError, LockBusyError, LockUnreachableError } from './lock.errors.js';

const TIMEOUT = new RedisTimeoutError('default', 'acquire', 1_000, 'unknown');
const LOST = new RedisUnreachableError('default', 'the connection was lost before the reply.', 'unknown');

let store: MemoryLockStore;
let app: OpenCore;
let other: OpenCore;
const apps: OpenCore[] = [];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  store = openStore();
  app = open();
  other = open();
});
afterEach(async () => {
  for (const { driver } of apps) driver.instead = {};
  for (const { core } of apps.splice(0)) void core.close();
  await elapse(5_000);
  jest.useRealTimers();
});

const open = (isOneServer = true): OpenCore => {
  const opened = openCore({ redisTimeout: '1s', ttl: '9s', wait: '10s' }, { store, isOneServer });
  apps.push(opened);
  return opened;
};
const elapse = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

/** How a promise has ended by now. */
function followed<T>(promise: Promise<T>): { value?: T; error?: unknown; at?: number } {
  const seen: { value?: T; error?: unknown; at?: number } = {};
  promise.then(
    (value) => Object.assign(seen, { value, at: performance.now() }),
    (error: unknown) => Object.assign(seen, { error, at: performance.now() }),
  );
  return seen;
}

describe('A lock that an operator takes away', () => {
  it('before its owner knows that it was granted is not believed in, but asked for again', async () => {
    const reply = gate();
    app.driver.instead = {
      acquire: async (ask) => {
        app.driver.instead = {};
        const answer = await ask();
        await reply.promise;
        return answer;
      },
    };
    const acquiring = followed(app.acquire('k'));
    await elapse(0);
    await app.driver.force(`${ROOT}{k}`);
    const next = await other.acquire('k');
    await elapse(0);
    reply.open();
    await elapse(0);
    expect(acquiring.value).toBeUndefined();

    await next.release();
    await elapse(0);

    expect(acquiring.value!.token).toBeGreaterThan(next.token);
    acquiring.value!.assertHeld();
  });
});

describe('Another server that takes over', () => {
  it('is asked at once about every lock that is held', async () => {
    const [one, two] = [await app.acquire('one'), await app.acquire('two')];
    app.driver.renewals.length = 0;

    app.driver.listener!.moved();
    await elapse(0);

    expect(app.driver.renewals.flat().map(({ id }) => id)).toEqual([one.holds[0]!.id, two.holds[0]!.id]);
  });
});

describe('A wait', () => {
  it('ends with the lock when it is released', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k'));
    await elapse(1_500);
    expect(waiting.at).toBeUndefined();

    await held.release();
    await elapse(0);

    expect(waiting.value?.token).toBeGreaterThan(held.token);
    expect(await app.holders('k')).toEqual([waiting.value!.holds[0]!.id]);
  });

  it('ends in time, and says who holds the lock', async () => {
    const held = await other.acquire('k');
    const startedAt = performance.now();
    const first = followed(app.acquire('k', { wait: '3s' }));
    const second = followed(app.acquire('k', { wait: '2s' }));

    await elapse(2_999);
    expect(second.at).toBe(startedAt + 2_000);
    expect(first.at).toBeUndefined();
    await elapse(1);

    expect(first.at).toBe(startedAt + 3_000);
    expect(second.error).toMatchObject({
      code: 'LOCK_BUSY',
      waitedMs: 2_000,
      position: 2,
      holder: { id: held.holds[0]!.id, token: held.token, pid: process.pid },
      remainingMs: expect.any(Number),
    });
    expect(await app.waiters('k')).toEqual([]);
  });

  it('may be longer than a timer can be', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '30d' }));
    await elapse(5_000);
    expect(waiting.at).toBeUndefined();

    await held.release();
    await elapse(0);

    expect(waiting.value).toBeDefined();
  });

  it('ends by the signal of the caller, with its reason, and gives its place up', async () => {
    await other.acquire('k');
    const controller = new AbortController();
    const waiting = followed(app.acquire('k', { signal: controller.signal }));
    await elapse(100);
    controller.abort(new Error('the request is over'));
    await elapse(0);

    expect(waiting.error).toBeInstanceOf(LockAbortedError);
    expect((waiting.error as Error).cause).toEqual(new Error('the request is over'));
    expect(await app.waiters('k')).toEqual([]);
  });

  it('under the signal of many others makes Node warn of nothing, and ends with theirs', async () => {
    const held = await other.acquire('k');
    const warnings: unknown[] = [];
    const warn = (warning: unknown): void => void warnings.push(warning);
    process.on('warning', warn);
    const controller = new AbortController();
    const waits = Array.from({ length: 30 }, () => followed(app.acquire('k', { signal: controller.signal })));
    await elapse(10);
    controller.abort(new Error('enough'));
    await elapse(10);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warn);

    for (const { error } of waits) expect(error).toBeInstanceOf(LockAbortedError);
    expect(warnings).toEqual([]);
    await held.release();
  });

  it('that was aborted before asks nobody', async () => {
    const waiting = app.acquire('k', { signal: AbortSignal.abort('no') });

    await expect(waiting).rejects.toMatchObject({ code: 'LOCK_ABORTED', cause: 'no' });
    expect(app.driver.calls).toEqual([]);
  });

  it('leaves no listener on a signal that lives on', async () => {
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    const held = await other.acquire('k');
    for (let round = 0; round < 50; round++) {
      const waiting = app.acquire('k', { wait: '5ms', signal }).catch(() => undefined);
      await elapse(10);
      await waiting;
    }
    await held.release();
    await (await app.acquire('k', { signal })).release();

    expect(added).toHaveBeenCalledTimes(50);
    expect(removed).toHaveBeenCalledTimes(50);
  });

  it('finds by a beat what it was not told', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k'));
    app.driver.listener!.granted = () => undefined;
    await elapse(500);
    await held.release();
    await elapse(1_000);

    expect(waiting.value).toBeDefined();
    expect(waiting.value!.validForMs()).toBeGreaterThan(0);
  });

  it('looks at once when something may have been missed', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k'));
    await elapse(500);
    const { granted } = app.driver.listener!;
    app.driver.listener!.granted = () => undefined;
    await held.release();
    await elapse(1);
    expect(waiting.at).toBeUndefined();
    app.driver.listener!.granted = granted;

    app.driver.listener!.gap();
    await elapse(0);

    expect(waiting.value).toBeDefined();
  });

  it('says once a second that it is alive, for all who wait for the same in one call', async () => {
    await other.acquire('k', { maxHold: '1h' });
    const waits = Array.from({ length: 20 }, () => followed(app.acquire('k', { wait: '9s' })));
    await elapse(8_900);

    expect(app.driver.count('beat')).toBeGreaterThan(6);
    expect(app.driver.count('beat')).toBeLessThan(14);
    expect(app.driver.beats.every((claims) => claims.length === 20)).toBe(true);
    await elapse(200);
    expect(waits.every(({ error }) => error instanceof LockBusyError)).toBe(true);
    const beats = app.driver.count('beat');
    await elapse(10_000);
    expect(app.driver.count('beat')).toBe(beats);
  });

  it('goes on while beats fail, and ends in time', async () => {
    const held = await other.acquire('k');
    app.driver.instead.beat = () => Promise.reject(TIMEOUT);
    const [waiting, short] = [followed(app.acquire('k')), followed(app.acquire('k', { wait: '4s' }))];
    await elapse(4_000);
    expect(short.error).toBeInstanceOf(LockBusyError);
    expect(app.driver.count('beat')).toBeLessThan(20);
    delete app.driver.instead.beat;
    await held.release();
    await elapse(1_100);

    expect(waiting.value).toBeDefined();
  });

  it('whose end Redis does not answer is told as unreachable, and no place stays taken', async () => {
    await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '2s' }));
    app.driver.instead.leave = () => Promise.reject(TIMEOUT);
    await elapse(2_100);
    expect(waiting.error).toBeInstanceOf(LockUnreachableError);
    expect(await app.waiters('k')).toHaveLength(1);
    delete app.driver.instead.leave;
    await elapse(600);

    expect(await app.waiters('k')).toEqual([]);
  });

  it('that is over when the grant comes holds nothing', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '1s' }));
    const left = gate();
    app.driver.instead.leave = async (ask) => (await left.promise, ask());
    await elapse(1_000);
    await held.release();
    await elapse(1);
    expect(await app.holders('k')).toHaveLength(1);
    left.open();
    await elapse(1);

    expect(waiting.error).toBeInstanceOf(LockBusyError);
    expect(await app.holders('k')).toEqual([]);
  });

  it.each(['before', 'after'] as const)(
    'whose first answer is lost, %s it was queued, keeps no place',
    async (when) => {
      await other.acquire('k');
      app.driver.instead.acquire = async (ask) => {
        if (when === 'after') await ask();
        throw LOST;
      };

      await expect(app.acquire('k')).rejects.toThrow(LockUnreachableError);
      await elapse(1);

      expect(await app.waiters('k')).toEqual([]);
    },
  );

  it('whose first answer is lost after it was granted holds nothing', async () => {
    app.driver.instead.acquire = async (ask) => (await ask(), Promise.reject(LOST));

    await expect(app.acquire('k')).rejects.toThrow(LockUnreachableError);
    await elapse(1);

    expect(await app.holders('k')).toEqual([]);
  });

  it.each(['10s', '0ms'] as const)(
    'of %s that fails early takes no effect when Redis does it within the time after all',
    async (wait) => {
      app.driver.instead.acquire = async (ask) => {
        // The server reads a connection that is lost when it has read the next one already.
        setTimeout(() => void ask(), 500);
        throw LOST;
      };

      await expect(app.acquire('k', { wait })).rejects.toThrow(LockUnreachableError);
      await elapse(1_600);

      expect(await app.holders('k')).toEqual([]);
    },
  );
});

describe('A grant that is told late', () => {
  /** Lets the process hear of its grant so much later. */
  async function toldAfter(ms: number): Promise<{ value?: KeptLock; error?: unknown; at?: number }> {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '60s' }));
    await elapse(10);
    app.driver.instead.beat = never;
    const { granted } = app.driver.listener!;
    let told: (() => void) | undefined;
    app.driver.listener!.granted = (...grant) => (told = () => granted(...grant));
    await held.release();
    await elapse(ms);
    app.driver.listener!.granted = granted;
    told!();
    await elapse(1);
    return waiting;
  }

  it('is used at once while most of it is left', async () => {
    const waiting = await toldAfter(1_000);

    expect(waiting.value!.validForMs()).toBeGreaterThan(1_000);
    expect(app.driver.count('renew')).toBeGreaterThanOrEqual(0);
  });

  it('is confirmed first when little of it is left', async () => {
    const waiting = await toldAfter(2_500);

    expect(app.driver.count('renew')).toBe(1);
    expect(waiting.value!.validForMs()).toBeGreaterThan(8_800);
    expect(await app.holders('k')).toEqual([waiting.value!.holds[0]!.id]);
  });

  it('is asked for again when it is over', async () => {
    const waiting = await toldAfter(3_500);

    expect(waiting.value!.validForMs()).toBeGreaterThan(8_000);
    expect(await app.holders('k')).toEqual([waiting.value!.holds[0]!.id]);
  });

  it('is asked for again, at the end of the line, when somebody else has got it', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '60s' }));
    await elapse(10);
    const next = followed(other.acquire('k'));
    app.driver.instead.beat = never;
    const { granted } = app.driver.listener!;
    app.driver.listener!.granted = () => undefined;
    await held.release();
    await elapse(3_500);
    expect(next.value).toBeDefined();
    app.driver.listener!.granted = granted;
    const { id, key } = app.driver.beats.flat().at(-1)!;
    granted(id, next.value!.token - 1n, key);
    await elapse(10);
    expect(waiting.at).toBeUndefined();
    expect(await app.waiters('k')).toHaveLength(1);
    await next.value!.release();
    await elapse(10);

    expect(waiting.value!.token).toBeGreaterThan(next.value!.token);
  });

  it('is not used when Redis does not confirm it', async () => {
    app.driver.instead.renew = () => Promise.reject(TIMEOUT);
    const waiting = await toldAfter(2_500);
    await elapse(10);

    expect(waiting.error).toBeInstanceOf(LockUnreachableError);
    expect(await app.holders('k')).toEqual([]);
  });

  it('to who has gone is given back', async () => {
    const held = await other.acquire('k');
    app.driver.instead.leave = () => Promise.reject(TIMEOUT);
    const waiting = followed(app.acquire('k', { wait: '200ms' }));
    await elapse(210);
    expect(waiting.error).toBeInstanceOf(LockUnreachableError);
    const next = followed(other.acquire('k'));
    await elapse(10);

    await held.release();
    await elapse(10);

    expect(next.value).toBeDefined();
  });

  it('is renewed to its whole time soon', async () => {
    const held = await other.acquire('k');
    const waiting = followed(app.acquire('k'));
    await elapse(10);
    await held.release();
    await elapse(0);
    expect(waiting.value!.validForMs()).toBeLessThan(3_000);

    await elapse(1_010);

    expect(waiting.value!.validForMs()).toBeGreaterThan(8_800);
  });
});

describe('An answer that comes when the lock is over', () => {
  it.each(['10s', '0ms'] as const)('is not taken for a lock (wait %s)', async (wait) => {
    const answered = gate();
    app.driver.instead.acquire = async (ask) => {
      const answer = await ask();
      await answered.promise;
      return answer;
    };
    const acquiring = followed(app.acquire('k', { wait }));
    await elapse(9_500);
    answered.open();
    await elapse(1);

    if (acquiring.value) acquiring.value.assertHeld();
    else expect(acquiring.error).toBeInstanceOf(LockUnreachableError);
    if (acquiring.error) expect(await app.holders('k')).toEqual([]);
  });
});

describe('Several keys', () => {
  it('are granted by one call and one token, and released together', async () => {
    const lock = await app.acquire(['b', 'a', 'c']);

    expect(lock.keys).toEqual(['a', 'b', 'c']);
    expect(lock.key).toBe('a, b, c');
    expect(app.driver.count('acquire')).toBe(1);
    expect(new Set(lock.holds.map(({ token }) => token))).toEqual(new Set([lock.token]));
    expect(await lock.release()).toBe('released');
    expect(app.driver.count('release')).toBe(1);
    for (const key of lock.keys) expect(await app.holders(key)).toEqual([]);
  });

  it('are all asked for, one after the other, when one of them is taken', async () => {
    const held = await other.acquire('b');
    const waiting = followed(app.acquire(['a', 'b', 'c']));
    await elapse(100);
    expect(await Promise.all(['a', 'b', 'c'].map(async (key) => (await app.holders(key)).length))).toEqual([1, 1, 0]);
    await held.release();
    await elapse(10);

    const lock = waiting.value!;
    expect(lock.token).toBeGreaterThan(held.token);
    const tokens = await Promise.all(
      ['a', 'b', 'c'].map(async (key) => {
        for await (const state of app.driver.list(ROOT))
          if (state.key.endsWith(`{${key}}`)) return state.holders[0]!.token;
        return undefined;
      }),
    );
    expect(tokens).toEqual([lock.token, lock.token, lock.token]);
    await elapse(30_000);
    expect(lock.signal.aborted).toBe(false);
    expect(app.driver.renewals.at(-1)).toHaveLength(3);
    expect(await lock.release()).toBe('released');
    expect((await other.acquire('a')).token).toBeGreaterThan(lock.token);
  });

  it('give back what they have got when the wait is over', async () => {
    await other.acquire('c');
    const waiting = followed(app.acquire(['a', 'b', 'c'], { wait: '2s' }));
    await elapse(2_000);

    expect(waiting.error).toBeInstanceOf(LockBusyError);
    expect(waiting.at).toBeDefined();
    await elapse(1);
    expect([await app.holders('a'), await app.holders('b'), await app.waiters('c')]).toEqual([[], [], []]);
    await elapse(1_000);
    expect(jest.getTimerCount()).toBeLessThanOrEqual(1);
    const renewals = app.driver.count('renew');
    await elapse(30_000);
    expect(app.driver.count('renew')).toBe(renewals);
  });

  it('that do not wait take nothing when one of them is taken', async () => {
    await other.acquire('c');

    await expect(app.acquire(['a', 'b', 'c'], { wait: '0ms' })).rejects.toThrow(LockBusyError);

    expect([await app.holders('a'), await app.holders('b')]).toEqual([[], []]);
    expect(app.driver.count('acquire')).toBe(1);
  });

  it('give back what they have got when the caller gives up', async () => {
    await other.acquire('b');
    const controller = new AbortController();
    const waiting = followed(app.acquire(['a', 'b'], { signal: controller.signal }));
    await elapse(100);
    controller.abort('no');
    await elapse(1);

    expect(waiting.error).toBeInstanceOf(LockAbortedError);
    expect([await app.holders('a'), await app.waiters('b')]).toEqual([[], []]);
  });

  it('hold nothing when the first of them is lost while the others are waited for', async () => {
    await other.acquire('b');
    const waiting = followed(app.acquire(['a', 'b'], { wait: '60s' }));
    await elapse(100);
    await app.driver.force(`${ROOT}{a}`);
    const held = await other.acquire('a');
    await app.driver.force(`${ROOT}{b}`);
    await elapse(10);

    expect(waiting.error).toBeInstanceOf(LockUnreachableError);
    expect(await app.holders('a')).toEqual([held.holds[0]!.id]);
    expect(await app.holders('b')).toEqual([]);
  });

  it('hold nothing when Redis does not confirm them', async () => {
    const apart = open(false);
    apart.driver.instead.renew = () => Promise.reject(TIMEOUT);

    await expect(apart.acquire(['a', 'b'])).rejects.toThrow(LockUnreachableError);
    await elapse(10);

    expect([await apart.holders('a'), await apart.holders('b')]).toEqual([[], []]);
    await elapse(1_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('in places of their own have the greatest token of all', async () => {
    const apart = open(false);
    const lock = await apart.acquire(['a', 'b', 'c']);

    expect(apart.driver.count('acquire')).toBe(3);
    expect(await lock.release()).toBe('released');
    for (const key of lock.keys) expect((await other.acquire(key)).token).toBeGreaterThan(lock.token);
  });

  it('do not wait for each other in a circle', async () => {
    const ends = Array.from({ length: 30 }, async (_, index) => {
      const keys = ['a', 'b', 'c', 'd'].filter((__, at) => (index >> at) % 2 === 0 || at === index % 4);
      const lock = await [app, other][index % 2]!.acquire(index % 3 ? keys : keys.toReversed(), { wait: '60s' });
      await new Promise((resolve) => setTimeout(resolve, 50));
      return lock.release();
    });
    const all = followed(Promise.all(ends));
    await elapse(10_000);

    expect(new Set(all.value)).toEqual(new Set(['released']));
  });

  it('whose answer is lost leave nothing', async () => {
    app.driver.instead.acquire = async (ask) => (await ask(), Promise.reject(LOST));

    await expect(app.acquire(['a', 'b'])).rejects.toThrow(LockUnreachableError);
    await elapse(1);

    expect([await app.holders('a'), await app.holders('b')]).toEqual([[], []]);
  });
});

describe('A caller that is not fair', () => {
  it('hands the lock to its own process before others', async () => {
    const held = await app.acquire('k', { fair: false });
    const theirs = followed(other.acquire('k'));
    await elapse(10);
    const ours = followed(app.acquire('k'));
    await elapse(10);

    await held.release();
    await elapse(1);

    expect([ours.value !== undefined, theirs.value]).toEqual([true, undefined]);
    await ours.value!.release();
    await elapse(1);
    expect(theirs.value).toBeDefined();
  });
});

describe('close()', () => {
  it('ends waits, those that come later, and gives their places up before it resolves', async () => {
    await other.acquire('k');
    const waiting = followed(app.acquire('k', { wait: '60s' }));
    await elapse(10);
    const left = gate();
    app.driver.instead.leave = async (ask) => (await left.promise, ask());
    const closing = followed(app.core.close());
    await elapse(10);

    expect(waiting.error).toBeInstanceOf(LockAbortedError);
    expect(closing.at).toBeUndefined();
    left.open();
    await elapse(10);
    expect(closing.at).toBeDefined();
    expect(await other.waiters('k')).toEqual([]);
    await expect(app.acquire('free')).rejects.toThrow(LockAbortedError);
    expect(app.driver.closed).toBe(true);
  });

  it('lets sections end, and releases what is left after two seconds', async () => {
    const [short, long] = [await app.acquire('short'), await app.acquire('long')];
    const closing = followed(app.core.close());
    await elapse(500);
    expect([short.signal.aborted, closing.at]).toEqual([false, undefined]);
    await short.release();
    await elapse(1_400);
    expect([long.signal.aborted, closing.at]).toEqual([false, undefined]);
    await elapse(200);

    expect(closing.at).toBeDefined();
    expect(long.signal.aborted).toBe(true);
    expect([await app.holders('short'), await app.holders('long')]).toEqual([[], []]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each([
    ['waits', '10s'],
    ['tries', '0ms'],
  ] as const)('leaves nothing to who %s while Redis answers', async (_, wait) => {
    const answered = gate();
    app.driver.instead.acquire = async (ask) => {
      const answer = await ask();
      await answered.promise;
      return answer;
    };
    const acquiring = followed(app.acquire('k', { wait }));
    await elapse(1);
    const closing = followed(app.core.close());
    await elapse(100);
    expect(closing.at).toBeUndefined();
    answered.open();
    await elapse(100);

    expect(acquiring.error).toBeInstanceOf(LockAbortedError);
    expect(closing.at).toBeDefined();
    expect(await other.holders('k')).toEqual([]);
    expect(await other.waiters('k')).toEqual([]);
    await elapse(1_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves nothing of several keys that are under way', async () => {
    const apart = open(false);
    const answered = gate();
    apart.driver.instead.renew = async (ask) => {
      const answers = await ask();
      await answered.promise;
      return answers;
    };
    const acquiring = followed(apart.acquire(['a', 'b']));
    await elapse(1);
    const closing = followed(apart.core.close());
    await elapse(1);
    answered.open();
    await elapse(100);

    expect(acquiring.error).toBeInstanceOf(LockAbortedError);
    expect(closing.at).toBeDefined();
    expect([await other.holders('a'), await other.holders('b')]).toEqual([[], []]);
  });

  it('ends within five seconds when Redis answers nothing any more', async () => {
    const held = await app.acquire('held');
    await other.acquire('k');
    const waiting = followed(app.acquire('k'));
    await elapse(10);
    const hang = <T>(): Promise<T> => new Promise((_, reject) => setTimeout(reject, 1_000, TIMEOUT));
    app.driver.instead = { acquire: hang, beat: hang, leave: hang, renew: hang, release: hang };
    const startedAt = performance.now();
    const closing = followed(app.core.close());
    await elapse(6_000);

    expect(closing.at).toBeLessThan(startedAt + 5_000);
    expect(waiting.error).toBeInstanceOf(LockAbortedError);
    expect(held.signal.aborted).toBe(true);
    expect(jest.getTimerCount()).toBe(1);
  });

  it('may be called twice', async () => {
    await app.core.close();
    await app.core.close();

    expect(app.driver.closed).toBe(true);
  });
});
