import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LockAdmin } from './admin/lock-admin.js';
import { Elections } from './election/elections.js';
import { openCore, openStore, ROOT, type OpenCore } from './fixtures/open-core.js';
import { LOCK_CHANNEL, type LockEvent } from './lock-events.js';
import type { Lock } from './lock.js';
import {
  LockBusyError,
  LockCallError,
  LockForcedError,
  LockNestedError,
  LockReleasedError,
  LockUnreachableError,
} from './lock.errors.js';
import { LockService } from './lock.service.js';
import { LockSections } from './sections/lock-sections.js';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

let app: OpenCore;
let other: OpenCore;
let locks: LockService;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  const store = openStore();
  app = openCore({ wait: '50ms' }, { store });
  other = openCore({}, { store });
  locks = serviceOf(app);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all([app.end(), other.end()]);
});

function serviceOf({ core }: OpenCore): LockService {
  return new LockService(
    new LockSections(core),
    new Elections(core, new Logger('Lock')),
    new LockAdmin(core.driver, core.root),
  );
}

describe('acquire()', () => {
  it('grants one key, or several in order', async () => {
    const [one, several] = [await locks.acquire('a'), await locks.acquire(['c', 'b', 'c'])];

    expect([one.key, one.keys]).toEqual(['a', ['a']]);
    expect([several.key, several.keys]).toEqual(['b, c', ['b', 'c']]);
    expect(several.token).toBeGreaterThan(0n);
    expect([await one.release(), await several.release()]).toEqual(['released', 'released']);
  });

  it('gives tokens that grow', async () => {
    let last = 0n;
    for (let round = 0; round < 200; round++) {
      await using lock = await locks.acquire('k');
      expect(lock.token).toBeGreaterThan(last);
      last = lock.token;
    }
  });

  it('says who is in the way', async () => {
    const held = await other.acquire('k');

    const error = await locks.acquire('k').catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(LockBusyError);
    expect(error).toMatchObject({ key: 'k', position: 1, holder: { pid: process.pid, token: held.token } });
    expect((error as Error).message).toMatch(
      /^Lock "k" was not acquired within \d+ms: held by .+ \(pid \d+\) for (30|29\.\d)s more unless renewed\. Raise "wait"/,
    );
  });

  it.each<[unknown, unknown, string]>([
    ['', {}, 'The key of a lock is empty'],
    [[], {}, 'The list of keys is empty'],
    [Array.from({ length: 65 }, (_, index) => `k${index}`), {}, 'has 65 keys'],
    ['k', { ttl: '2s' }, 'less than 3 times "redisTimeout"'],
    ['k', { wait: 5 }, 'options.wait is 5'],
    ['k', { waits: '5s' }, 'options.waits is not an option'],
    ['k', null, 'options is null'],
    [7, {}, 'of type number'],
  ])('of %p with %p rejects, and asks nobody', async (key, options, message) => {
    const acquiring = locks.acquire(key as string, options as object);

    await expect(acquiring).rejects.toThrow(LockCallError);
    await expect(acquiring).rejects.toThrow(message);
    await expect(locks.withLock(key as string, () => 1, options as object)).rejects.toThrow(message);
    await expect(locks.tryAcquire(key as string, options as object)).rejects.toThrow(LockCallError);
    expect(app.driver.calls).toEqual([]);
  });

  it('says so when it is this process that is in the way', async () => {
    await using held = await locks.acquire('k');

    await expect(locks.acquire('k')).rejects.toThrow(`held by this process (pid ${process.pid}) for`);
    await expect(locks.semaphore('k', 1).with(() => locks.semaphore('k', 1).tryAcquire())).rejects.toThrow(
      'Semaphore "k" is asked for by a section that holds it',
    );
    expect(held.key).toBe('k');
  });

  it('says that nobody may have it for now while a delay lasts', async () => {
    const job = await app.acquire('k');
    await job.release({ keepMs: 60_000 });

    await expect(other.acquire('k', { wait: '0ms' })).rejects.toThrow(
      '"k" is not granted: nobody may hold it for now.',
    );
  });

  it('of a key of ten kilobytes is a lock like any other', async () => {
    const key = 'x'.repeat(10_240);
    await using lock = await locks.acquire(key);

    expect(lock.key).toBe(key);
    expect(await locks.tryAcquire(key)).toBeNull();
    expect(await locks.tryAcquire(`${key}y`)).not.toBeNull();
    const error = await locks.acquire(key, { wait: '1ms' }).catch((reason: Error) => reason);
    expect((error as Error).message.length).toBeLessThan(400);
  });

  it('within a section that holds it is refused instead of waiting for itself', async () => {
    await locks.withLock('k', async () => {
      await expect(locks.acquire('k')).rejects.toThrow(LockNestedError);
      await expect(locks.acquire(['j', 'k'])).rejects.toThrow(LockNestedError);
      await expect(locks.tryAcquire('k')).rejects.toThrow(LockNestedError);
      expect(await locks.withLock('k', () => 'again')).toBe('again');
    });
    expect(await locks.tryAcquire('k')).not.toBeNull();
  });
});

describe('tryAcquire()', () => {
  it('resolves to null where the lock is taken, or waited for', async () => {
    const held = await other.acquire('k');
    expect(await locks.tryAcquire('k')).toBeNull();
    expect(await locks.tryAcquire(['a', 'k'])).toBeNull();
    expect(await locks.tryAcquire('a')).not.toBeNull();

    expect(app.driver.calls).toEqual(['acquire', 'acquire', 'acquire']);
    await held.release();
    expect(await locks.tryAcquire('k')).toMatchObject({ key: 'k' });
  });

  it('says that Redis cannot be asked, which is not the same as taken', async () => {
    app.driver.instead.acquire = () => Promise.reject(new Error('away'));

    await expect(locks.tryAcquire('k')).rejects.toThrow(LockUnreachableError);
  });

  it('has no "wait"', async () => {
    await expect(locks.tryAcquire('k', { wait: '1s' } as object)).rejects.toThrow('means nothing to a try');
  });
});

describe('withLock()', () => {
  it('runs while the lock is held, and gives it back', async () => {
    let seen: Lock | undefined;
    const result = await locks.withLock('k', async (lock) => {
      seen = lock;
      lock.assertHeld();
      expect(await other.holders('k')).toHaveLength(1);
      return 42;
    });

    expect(result).toBe(42);
    expect(seen!.signal.reason).toBeInstanceOf(LockReleasedError);
    expect(await other.holders('k')).toEqual([]);
  });

  it.each([
    ['released', undefined],
    ['not released', new Error('away')],
  ])('rejects with what the section throws when the lock is %s', async (_, failure) => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    if (failure) app.driver.instead.release = () => Promise.reject(failure);

    await expect(
      locks.withLock('k', () => {
        throw new Error('what the section says');
      }),
    ).rejects.toThrow('what the section says');
  });

  it('rejects when the lock was lost meanwhile, and not when it was the section that failed', async () => {
    const losing = locks.withLock('k', () => locks.admin.forceRelease('k'));
    await expect(losing).rejects.toThrow(LockForcedError);

    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const failing = locks.withLock('k', async () => {
      await locks.admin.forceRelease('k');
      throw new Error('first');
    });
    await expect(failing).rejects.toThrow('first');
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it.each([undefined, null, 'work', {}])('refuses %p for a section, and locks nothing', async (fn) => {
    const running = locks.withLock('k', fn as () => void);

    await expect(running).rejects.toThrow(LockCallError);
    await expect(running).rejects.toThrow('The second argument of withLock() is of type');
    expect(app.driver.calls).toEqual([]);
  });

  it('lets one at a time in, and all of them in turn', async () => {
    let inside = 0;
    let most = 0;
    const service = [locks, serviceOf(other)];
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        service[index % 2]!.withLock(
          'k',
          async () => {
            most = Math.max(most, ++inside);
            await turn();
            inside--;
          },
          { wait: '20s' },
        ),
      ),
    );

    expect([most, inside]).toEqual([1, 0]);
  });
});

describe('admin', () => {
  it('lists who holds and who waits, by key', async () => {
    const held = await other.acquire('b');
    await using semaphore = await locks.semaphore('s', 5).acquire({ permits: 2 });
    await using first = await locks.acquire('a');
    const waiting = locks.acquire('b', { wait: '60s' }).catch(() => undefined);
    await turn();

    const list = await locks.admin.list();

    expect(list.map(({ key }) => key)).toEqual([`${ROOT}semaphore:{s}`, `${ROOT}{a}`, `${ROOT}{b}`].sort());
    expect(list.find(({ key }) => key === `${ROOT}{b}`)).toMatchObject({
      holders: [
        {
          id: held.holds[0]!.id,
          host: expect.any(String),
          pid: process.pid,
          token: held.token,
          since: expect.any(Date),
          permits: 1,
        },
      ],
      waiters: [{ id: expect.any(String), host: expect.any(String), pid: process.pid }],
    });
    expect(list.find(({ key }) => key.includes('semaphore'))).toMatchObject({ holders: [{ permits: 2 }] });
    expect(list[0]!.holders[0]!.remainingMs).toBeGreaterThan(29_000);
    expect([first.key, semaphore.key]).toEqual(['a', 's']);
    await held.release();
    await (await waiting)?.release();
  });

  it('says when a lock was granted', async () => {
    await using lock = await locks.acquire('k');
    const [info] = await locks.admin.list();

    expect(info!.holders[0]!.since.getTime()).toBe(Number(lock.token / 1_000n));
  });

  it('takes a lock away by its name or by its key, and says how many held it', async () => {
    const [one, two] = [await other.acquire('one'), await other.acquire('a:{2}')];
    const waiting = locks.acquire('one', { wait: '5s' });
    await turn();

    expect(await locks.admin.forceRelease('one')).toBe(1);
    const listed = (await locks.admin.list()).find(({ key }) => key.includes('{2}'))!;
    expect(await locks.admin.forceRelease(listed.key)).toBe(0);
    expect(await locks.admin.forceRelease(listed)).toBe(1);
    expect(await locks.admin.forceRelease('nobody has it')).toBe(0);
    await turn();

    expect([one.signal.reason, two.signal.reason]).toEqual([expect.any(LockForcedError), expect.any(LockForcedError)]);
    const next = await waiting;
    expect(next.token).toBeGreaterThan(one.token);
    expect(await one.release()).not.toBe('released');
    next.assertHeld();
    await next.release();
  });

  it('takes a semaphore away from all who hold it', async () => {
    const semaphore = locks.semaphore('s', 3);
    const held = [await semaphore.acquire(), await semaphore.acquire()];

    expect(await locks.admin.forceRelease({ key: `${ROOT}semaphore:{s}` })).toBe(2);
    await turn();

    expect(held.map((lock) => lock.signal.reason)).toEqual([expect.any(LockForcedError), expect.any(LockForcedError)]);
  });

  it('takes a string for a name always, also one that looks like a key of Redis', async () => {
    await using lock = await locks.acquire(`${ROOT}{k}`);
    await using other = await locks.acquire('k');

    expect(await locks.admin.forceRelease(`${ROOT}{k}`)).toBe(1);
    await turn();

    expect([lock.signal.aborted, other.signal.aborted]).toEqual([true, false]);
  });

  it.each<[unknown, string]>([
    ['', 'The key of a lock is empty'],
    [7, 'neither the name of a lock nor one of admin.list()'],
    [null, 'neither the name of a lock nor one of admin.list()'],
    [undefined, 'neither the name of a lock nor one of admin.list()'],
    [{}, 'neither the name of a lock nor one of admin.list()'],
    [{ key: 7 }, 'neither the name of a lock nor one of admin.list()'],
    [{ key: ROOT }, 'does not begin with'],
    [{ key: 'k' }, `The key "k" does not begin with "${ROOT}"`],
    [{ key: 'another:lock:{k}' }, 'does not begin with'],
  ])('refuses to take away %p', async (lock, message) => {
    const forcing = locks.admin.forceRelease(lock as string);

    await expect(forcing).rejects.toThrow(LockCallError);
    await expect(forcing).rejects.toThrow(message);
  });
});

describe('What is measured', () => {
  let events: LockEvent[];
  const note = (event: unknown): void => {
    if ((event as LockEvent).root === ROOT) events.push(event as LockEvent);
  };
  beforeEach(() => {
    events = [];
    subscribe(LOCK_CHANNEL, note);
  });
  afterEach(() => {
    unsubscribe(LOCK_CHANNEL, note);
  });

  it('are waits, holds, and how they ended', async () => {
    await (await locks.acquire('k')).release();
    const held = await other.acquire('k');
    await locks.tryAcquire('k');
    await locks.acquire('k', { signal: AbortSignal.abort() }).catch(() => undefined);
    await locks.admin.forceRelease('k');
    await turn();
    await held.release();
    app.driver.instead.acquire = () => Promise.reject(new Error('away'));
    await locks.acquire('k').catch(() => undefined);

    expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual([
      'acquired k',
      'released k',
      'acquired k',
      'busy k',
      'aborted k',
      'lost k',
      'unreachable k',
    ]);
    expect(events[0]).toMatchObject({ kind: 'lock', waited: false, waitMs: expect.any(Number) });
    expect(events[1]).toMatchObject({ outcome: 'released', heldMs: expect.any(Number) });
    expect(events[5]).toMatchObject({ code: 'LOCK_FORCED', heldMs: expect.any(Number) });
  });

  it('say what kind of lock it is, and whether it was waited for', async () => {
    const semaphore = locks.semaphore('s', 1);
    const held = await semaphore.acquire();
    const waiting = semaphore.acquire({ wait: '5s' });
    await turn();
    await held.release();
    await (await waiting).release();
    await locks.readWrite('d').write(() => undefined);
    const elected = await new Promise<Lock>((onElected) => locks.elect('e', { onElected }));
    await elected.release();

    expect(events.filter(({ type }) => type === 'acquired')).toMatchObject([
      { kind: 'semaphore', key: 's', waited: false },
      { kind: 'semaphore', key: 's', waited: true },
      { kind: 'read-write', key: 'd', waited: false },
      { kind: 'election', key: 'e', waited: false },
    ]);
  });

  it('tell one end of each hold, also when Redis could not be told of it', async () => {
    const held = await locks.acquire('k');
    app.driver.instead.release = () => Promise.reject(new Error('away'));
    await held.release().catch(() => undefined);
    delete app.driver.instead.release;

    expect(events.map(({ type }) => type)).toEqual(['acquired', 'released']);
    expect(events[1]).toMatchObject({ outcome: 'unreachable' });
  });

  it('tell nothing of what was given back before anybody had it', async () => {
    const held = await other.acquire('b');
    app.driver.together = () => false;
    events.length = 0;

    await expect(locks.acquire(['a', 'b'], { wait: '30ms' })).rejects.toThrow(LockBusyError);

    expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual(['busy a, b']);
    await held.release();
  });

  it('of several keys are one hold', async () => {
    const held = await other.acquire('b');
    const waiting = locks.acquire(['a', 'b'], { wait: '5s' });
    await turn();
    events.length = 0;
    await held.release();
    await (await waiting).release();

    expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual(['released b', 'acquired a, b', 'released a, b']);
  });
});
