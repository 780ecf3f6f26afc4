import {
  LockBusyError,
  LockExpiredError,
  LockStolenError,
  LockUnreachableError,
  type Lock,
  type LockService,
} from '@nuthatch/lock';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { outcomeOf } from '../redis/open-connection.js';
import { closeLocks, holdersOf, openLocks, partsOf, untilFree, untilWaiting, waitersOf } from './open-locks.js';

let server: RedisServer;
let one: LockService;
let two: LockService;

beforeAll(async () => {
  server = await startStandalone();
  const connection = {
    mode: 'standalone',
    url: server.url,
    // Calls fail here on purpose.
    breaker: { failures: 1_000, resetAfter: '1s' },
  } as const;
  one = (await openLocks(connection)).locks;
  two = (await openLocks(connection)).locks;
});
afterAll(async () => {
  await closeLocks();
  await server.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** When its signal aborts, on the clock of `performance.now()`. */
const abortOf = ({ signal }: Lock): Promise<number> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(performance.now())));

/** Both connections work, and know the clock of the server. */
async function untilUp(): Promise<void> {
  for (const locks of [one, two])
    await eventually('it locks', async () => {
      const lock = await locks.tryAcquire('up').catch(() => undefined);
      if (lock === undefined) return false;
      await lock?.release();
      return true;
    });
}

describe('A Redis that stands still', () => {
  afterEach(() => server.resume());

  it.each(['known', 'unknown'])('does nothing late for those who have given up (its clock is %s)', async (clock) => {
    await untilUp();
    const held = await one.acquire('frozen-held');
    if (clock === 'unknown') {
      await server.call('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => undefined);
      await eventually('the connection is up again', async () => {
        const { error } = await outcomeOf(two.admin.list());
        return error === undefined;
      });
    }
    const waiting = outcomeOf(two.acquire('frozen-held', { wait: '600ms' }));
    if (clock === 'known') await untilWaiting(server, 'frozen-held');
    server.pause();
    const outcomes = await Promise.all([
      outcomeOf(two.acquire('frozen-1')),
      outcomeOf(two.tryAcquire('frozen-2')),
      outcomeOf(two.acquire(['frozen-3', 'frozen-4'])),
      outcomeOf(two.acquire('frozen-held', { wait: '5s' })),
      outcomeOf(two.semaphore('frozen', 2).acquire()),
    ]);

    for (const { error, tookMs } of outcomes) {
      expect(error).toBeInstanceOf(LockUnreachableError);
      expect(tookMs).toBeLessThan(1_200);
    }
    expect((await waiting).error).toBeDefined();
    expect((await waiting).tookMs).toBeLessThan(2_000);
    server.resume();
    await pause(60);
    for (const key of ['frozen-1', 'frozen-2', 'frozen-3', 'frozen-4'])
      expect(await holdersOf(server, key)).toEqual([]);
    await eventually('no place is taken', async () => (await waitersOf(server, 'frozen-held')).length === 0);
    expect(await server.call('EXISTS', 'app:lock:semaphore:{frozen}')).toBe(0);
    expect(held.signal.aborted).toBe(false);
    expect(await held.release()).toBe('released');
    await untilFree(server, 'frozen-held');
  });

  it('ends a lock before its validity ends, and at most 100 ms before', async () => {
    await untilUp();
    const startedAt = performance.now();
    const lock = await one.acquire('frozen-lock', { ttl: '3s' });
    const grantedAt = performance.now();
    const aborted = abortOf(lock);
    server.pause();

    const abortedAt = await aborted;

    expect(abortedAt).toBeLessThan(startedAt + 3_000);
    expect(abortedAt).toBeGreaterThan(grantedAt + 2_900 - 20);
    expect(lock.signal.reason).toBeInstanceOf(LockExpiredError);
    // To Redis it is valid for a little longer.
    await pause(100);
    server.resume();
    expect(await lock.release()).toBe('expired');
  });

  it('goes on renewing after a pause that is short enough', async () => {
    await untilUp();
    const lock = await one.acquire('frozen-short', { ttl: '3s' });
    await pause(700);
    server.pause();
    await pause(1_500);
    server.resume();
    await pause(1_200);

    expect(lock.signal.aborted).toBe(false);
    expect(lock.validForMs()).toBeGreaterThan(1_500);
    expect(await lock.release()).toBe('released');
  });
});

describe('Waits', () => {
  /** Lets callers of both applications take turns while something goes on. */
  async function takeTurns(key: string, callers: number, disturb: () => Promise<unknown>, everyMs: number) {
    let inside = 0;
    let most = 0;
    let isOver = false;
    const disturbing = (async () => {
      while (!isOver) {
        await disturb().catch(() => undefined);
        await pause(everyMs);
      }
    })();
    const turns = Array.from({ length: callers }, (_, index) =>
      outcomeOf(
        [one, two][index % 2]!.withLock(
          key,
          async ({ token }) => {
            most = Math.max(most, ++inside);
            await pause(3);
            inside--;
            return token;
          },
          { wait: '6s' },
        ),
      ),
    );
    const outcomes = await Promise.all(turns);
    isOver = true;
    await disturbing;
    expect(most).toBe(1);
    for (const { error, tookMs } of outcomes) {
      expect(error === undefined || error instanceof LockBusyError || error instanceof LockUnreachableError).toBe(true);
      expect(tookMs).toBeLessThan(8_500);
    }
    return outcomes;
  }

  it('all end with the lock while subscribers are killed in a loop', async () => {
    await untilUp();
    const outcomes = await takeTurns('kill-pubsub', 60, () => server.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), 20);

    expect(outcomes.filter(({ error }) => error)).toEqual([]);
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(6_000);
    await untilFree(server, 'kill-pubsub');
  });

  it('all end, most of them with the lock, while all clients are killed in a loop', async () => {
    await untilUp();
    const kill = async (): Promise<void> => {
      const own = Number(await server.call('CLIENT', 'ID'));
      const clients = String(await server.call('CLIENT', 'LIST')).matchAll(/^id=(\d+)/gm);
      for (const [, id] of clients) if (Number(id) !== own) await server.call('CLIENT', 'KILL', 'ID', id!);
    };
    const outcomes = await takeTurns('kill-all', 40, kill, 150);

    expect(outcomes.filter(({ error }) => error === undefined).length).toBeGreaterThan(10);
    await untilUp();
    await untilFree(server, 'kill-all', 6_000);
  });

  it('all end with the lock while scripts are forgotten between any two calls', async () => {
    const outcomes = await takeTurns('flush', 60, () => server.flushScripts(), 0);

    expect(outcomes.filter(({ error }) => error)).toEqual([]);
    await untilFree(server, 'flush');
  });

  it('end by beats where the user of the connection may not publish', async () => {
    await server.call('ACL', 'SETUSER', 'mute', 'on', '>secret', '~*', '+@all', 'resetchannels');
    const url = `redis://mute:secret@${server.host}:${server.port}`;
    const [mute, deaf] = await Promise.all([
      openLocks({ mode: 'standalone', url }),
      openLocks({ mode: 'standalone', url }),
    ]);
    const held = await mute.locks.acquire('mute');
    const waiting = outcomeOf(deaf.locks.acquire('mute', { wait: '5s', ttl: '3s' }));
    await untilWaiting(server, 'mute');
    expect(await held.release()).toBe('released');

    const { value, tookMs } = await waiting;
    expect(tookMs).toBeLessThan(2_000);
    const lock = value as Lock;
    lock.assertHeld();
    // And who takes it away is found out by the next renewal.
    expect(await mute.locks.admin.forceRelease('mute')).toBe(1);
    const aborted = abortOf(lock);
    await aborted;
    expect((lock.signal.reason as { code?: string }).code).toBe('LOCK_FORCED');
  });
});

describe('A Redis that has lost what it knew', () => {
  it('is found out by the next renewal, and holds nobody up', async () => {
    const lock = await one.acquire('flushed', { ttl: '3s' });
    const several = await one.acquire(['flushed-a', 'flushed-b'], { ttl: '3s' });
    await server.call('FLUSHALL');
    const aborts = Promise.all([abortOf(lock), abortOf(several)]);
    const next = await two.acquire('flushed');

    expect(next.token).toBeGreaterThan(lock.token);
    await aborts;
    expect(lock.signal.reason).toBeInstanceOf(LockStolenError);
    expect(several.signal.reason).toBeInstanceOf(LockExpiredError);
    expect(await lock.release()).toBe('stolen');
    expect(await several.release()).toBe('expired');
    // Nothing was made anew.
    expect(await partsOf(server, 'flushed-a')).toEqual([]);
    next.assertHeld();
    expect(await next.release()).toBe('released');
  });

  it('lets those wait on who waited, each granted once', async () => {
    const held = await one.acquire('flushed-queue');
    const waits = [two, one, two].map((locks) => locks.withLock('flushed-queue', () => pause(20), { wait: '8s' }));
    await untilWaiting(server, 'flushed-queue', 3);
    await server.call('FLUSHALL');
    await Promise.all(waits);

    expect(await held.release()).not.toBe('released');
    await untilFree(server, 'flushed-queue');
  });

  it('may be one that was restarted empty', async () => {
    const lock = await one.acquire('restarted', { ttl: '4s' });
    const aborted = abortOf(lock);
    const waiting = two.acquire('restarted', { wait: '9s' });
    await untilWaiting(server, 'restarted');
    await server.restart();
    await aborted;

    const next = await waiting;
    expect(next.token).toBeGreaterThan(lock.token);
    expect(['stolen', 'expired']).toContain(await lock.release());
    expect(await next.release()).toBe('released');
    await untilUp();
  });
});

describe('Tokens', () => {
  it('grow when a key is deleted', async () => {
    let last = 0n;
    for (let round = 0; round < 20; round++) {
      const lock = await [one, two][round % 2]!.acquire('deleted');
      expect(lock.token).toBeGreaterThan(last);
      last = lock.token;
      if (round % 3 === 0) await server.call('DEL', 'app:lock:{deleted}');
      else await lock.release();
    }
  });

  it('grow when the clock of Redis was ahead before', async () => {
    const lock = await one.acquire('ahead');
    await lock.release();
    const [state] = await partsOf(server, 'ahead');
    const ahead = lock.token + 3_600_000_000n;
    // As a server whose clock was an hour ahead has left it.
    await server.call('LSET', 'app:lock:{ahead}', 0, state!.replace(/^\d+/, String(ahead)));
    const held = await one.acquire('ahead');
    expect(held.token).toBe(ahead + 1n);
    const waiting = two.acquire('ahead');
    await untilWaiting(server, 'ahead');
    expect(await held.release()).toBe('released');
    const next = await waiting;
    expect(next.token).toBe(ahead + 2n);
    await next.release();
    const both = await one.acquire(['ahead', 'ahead-not']);
    expect(both.token).toBe(ahead + 3n);
    await both.release();

    expect((await two.acquire('ahead-not')).token).toBeGreaterThan(both.token);
  });
});

describe('A Redis that is full', () => {
  beforeAll(async () => {
    await server.call('SET', 'ballast', 'x'.repeat(1_000_000));
    await server.configSet('maxmemory-policy', 'noeviction');
  });
  afterEach(() => server.configSet('maxmemory', 0));

  it('renews and releases what is held, and hands it over', async () => {
    const [lock, several] = [await one.acquire('full', { ttl: '3s' }), await one.acquire(['full-a', 'full-b'])];
    const waiting = two.acquire('full', { wait: '9s' });
    await untilWaiting(server, 'full');
    await server.configSet('maxmemory', '1mb');
    await expect(server.call('SET', 'anything', 'else')).rejects.toThrow('OOM');
    await pause(1_200);

    expect(lock.validForMs()).toBeGreaterThan(2_000);
    await lock.extend('20s');
    expect(await lock.release()).toBe('released');
    const next = await waiting;
    expect(next.validForMs()).toBeGreaterThan(0);
    expect(await several.release()).toBe('released');
    expect(await next.release()).toBe('released');
    expect(await holdersOf(server, 'full')).toEqual([]);
  });

  it('refuses those who want a lock, and has nothing to clear up afterwards', async () => {
    await (await one.acquire('full-known')).release();
    await server.configSet('maxmemory', '1mb');

    for (const key of ['full-new', 'full-known']) {
      const { error } = await outcomeOf(one.acquire(key));
      expect(error).toBeInstanceOf(LockUnreachableError);
      expect(error!.message).toContain('OOM');
      expect(await holdersOf(server, key)).toEqual([]);
    }
    await server.configSet('maxmemory', 0);
    expect(await (await one.acquire('full-new')).release()).toBe('released');
  });
});
