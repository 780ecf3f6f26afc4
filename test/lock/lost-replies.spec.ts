import { LockBusyError, LockUnreachableError, type Lock, type LockService } from '@nuthatch/lock';
import { LockScripts, type LockScriptName } from '../../libs/lock/src/drivers/lock-scripts.js';
import { startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { outcomeOf } from '../redis/open-connection.js';
import { closeLocks, holdersOf, openLocks, partsOf, untilFree, untilWaiting, waitersOf } from './open-locks.js';

const SCRIPTS: readonly LockScriptName[] = ['acquire', 'release', 'renew', 'beat', 'leave', 'force', 'time'];

let server: RedisServer;
let proxy: TcpProxy;
/** Of a process whose connection loses replies. */
let mine: LockService;
let theirs: LockService;

beforeAll(async () => {
  server = await startStandalone();
  // So that a reply that is dropped is one of a script that has run: to one that is not known the answer is NOSCRIPT.
  const scripts = new LockScripts();
  for (const name of SCRIPTS) await server.call('SCRIPT', 'LOAD', scripts.of(name).source);
  proxy = await startProxy(server);
  mine = (await openLocks({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` })).locks;
  theirs = (await openLocks({ mode: 'standalone', url: server.url })).locks;
});
afterEach(() => proxy.heal());
afterAll(async () => {
  await closeLocks();
  await proxy.stop();
  await server.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The connection is up again when it answers; and the clock of the server is known. */
async function untilMine(): Promise<void> {
  for (;;) {
    const { value, error } = await outcomeOf(mine.tryAcquire('warm-up'));
    if (error === undefined) return void (await (value as Lock | null)?.release());
    // Where calls fail at once, nothing else would ever happen.
    await pause(10);
  }
}

describe('The lost reply', () => {
  afterEach(untilMine);

  it.each([['10s'], ['0ms']] as const)('of a grant is found by asking again (wait %s)', async (wait) => {
    proxy.dropReply(1);
    const lock = await mine.acquire(`grant ${wait}`.replace(' ', '-'), { wait });

    expect(await holdersOf(server, lock.key)).toHaveLength(1);
    lock.assertHeld();
    expect(await lock.release()).toBe('released');
    expect(await holdersOf(server, lock.key)).toEqual([]);
  });

  it('of the question for the time of the server is asked for again', async () => {
    mine = (await openLocks({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` })).locks;
    proxy.dropReply(1);
    await outcomeOf(mine.admin.list());
    await pause(200);
    // The connection is new, so the time is asked for first.
    proxy.dropReply(1);

    await (await mine.acquire('time')).release();
    expect(await holdersOf(server, 'time')).toEqual([]);
  });

  it('of a grant of several keys is found by asking again, with one token', async () => {
    proxy.dropReply(1);
    const lock = await mine.acquire(['several-a', 'several-b']);

    for (const key of lock.keys) expect((await partsOf(server, key))[0]).toContain(` ${lock.token} `);
    expect(await lock.release()).toBe('released');
  });

  it('of many grants at once is found by asking again, each for itself', async () => {
    const keys = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    proxy.dropReply(1);
    const acquired = await Promise.all(keys.map((key) => mine.acquire(key)));

    expect(new Set(await Promise.all(keys.map(async (key) => (await holdersOf(server, key)).length)))).toEqual(
      new Set([1]),
    );
    expect(new Set(await Promise.all(acquired.map((lock) => lock.release())))).toEqual(new Set(['released']));
  });

  it('of a place in the queue takes no second place', async () => {
    const held = await theirs.acquire('place');
    proxy.dropReply(1);
    const waiting = mine.acquire('place');
    await untilWaiting(server, 'place');
    await untilMine();
    expect(await waitersOf(server, 'place')).toHaveLength(1);
    await held.release();

    const lock = await waiting;
    expect(lock.token).toBeGreaterThan(held.token);
    await lock.release();
    expect(await partsOf(server, 'place')).toHaveLength(2);
    await untilFree(server, 'place');
  });

  it('of a grant that is over when Redis says so again is no lock', async () => {
    const held = await theirs.acquire('asked');
    proxy.blackhole('replies');
    const outcome = await outcomeOf(mine.acquire('asked', { wait: '5s' }));
    expect(outcome.error).toBeInstanceOf(LockUnreachableError);
    expect(outcome.tookMs).toBeLessThan(1_500);
    await held.release();
    proxy.heal();
    await untilFree(server, 'asked');
  });

  it('of a release says what the release has done', async () => {
    const lock = await mine.acquire('release');
    proxy.dropReply(1);

    expect(await lock.release()).toBe('released');
    expect(await holdersOf(server, 'release')).toEqual([]);
  });

  it('of a release that others have followed already says so, too', async () => {
    const lock = await mine.acquire('followed');
    const next = theirs.withLock('followed', () => 'next');
    await untilWaiting(server, 'followed');
    proxy.dropReply(1);
    const releasing = lock.release();
    expect(await next).toBe('next');
    await theirs.withLock('followed', () => undefined);

    expect(await releasing).toBe('released');
  });

  it('of a release of a permit that others have followed already says so, too', async () => {
    const permit = await mine.semaphore('permits', 2).acquire();
    const other = await theirs.semaphore('permits', 2).acquire();
    proxy.dropReply(1);
    const releasing = permit.release();
    await other.release();

    expect(await releasing).toBe('released');
  });

  it('of a section whose release others have followed is no loss', async () => {
    let next: Promise<unknown> | undefined;
    await mine.withLock('section', async () => {
      next = theirs.withLock('section', () => undefined);
      await untilWaiting(server, 'section');
      proxy.dropReply(1);
    });
    await next;
    await untilFree(server, 'section');
  });

  it('of a renewal is asked for again', async () => {
    const lock = await mine.acquire('renewal');
    proxy.dropReply(1);
    await lock.extend('40s');

    expect(lock.validForMs()).toBeGreaterThan(39_000);
    expect(await holdersOf(server, 'renewal')).toHaveLength(1);
    await lock.release();
  });

  it('of one who gives up waiting gives the place up', async () => {
    const held = await theirs.acquire('leave');
    const waiting = outcomeOf(mine.acquire('leave', { wait: '400ms' }));
    await untilWaiting(server, 'leave');
    await pause(350);
    proxy.dropReply(1);

    expect((await waiting).error).toBeInstanceOf(LockBusyError);
    expect(await waitersOf(server, 'leave')).toEqual([]);
    await held.release();
    expect(await holdersOf(server, 'leave')).toEqual([]);
  });

  it('of a forced release takes nothing from who was granted the lock by it', async () => {
    await untilMine();
    // The script and the time of the server are known then: it is its own reply that is lost.
    await mine.admin.forceRelease('nothing');
    const victim = await theirs.acquire('force');
    const [taken] = await holdersOf(server, 'force');
    const waiting = theirs.acquire('force');
    await untilWaiting(server, 'force', 1);
    // A hold is told from one that is granted meanwhile by its age.
    await pause(50);
    proxy.dropReply(1);
    await mine.admin.forceRelease('force');

    const next = await waiting;
    await expect(victim.release()).resolves.toBe('forced');
    await pause(50);
    next.assertHeld();
    // The hold that ended last, and how.
    expect((await partsOf(server, 'force'))[0]).toContain(` ${taken} f`);
    expect(await next.release()).toBe('released');
  });

  it('of a beat keeps the place', async () => {
    const held = await theirs.acquire('beat');
    const waiting = mine.acquire('beat');
    await untilWaiting(server, 'beat');
    const [before] = await waitersOf(server, 'beat');
    proxy.dropReply(1);
    await pause(1_300);
    await untilMine();
    expect(await waitersOf(server, 'beat')).toEqual([before]);
    await held.release();

    await (await waiting).release();
    await untilFree(server, 'beat');
  });
});

describe('A key that holds something else', () => {
  const broken = 'broken';
  beforeAll(() => server.call('SET', `app:lock:{${broken}}`, 'not a lock'));
  beforeEach(untilMine);

  it('fails its own callers alone, who may ask for others at the same time', async () => {
    const held = await theirs.acquire('beside-held');
    const [failed, free, tried, waiting] = [
      mine.acquire(broken),
      mine.acquire('beside'),
      mine.tryAcquire('beside-tried'),
      mine.acquire('beside-held', { wait: '5s' }),
    ];

    await expect(failed).rejects.toThrow(LockUnreachableError);
    expect([(await free).key, (await tried)!.key]).toEqual(['beside', 'beside-tried']);
    expect(await waitersOf(server, 'beside-held')).toHaveLength(1);
    await held.release();
    const locks = [await free, (await tried)!, await waiting];
    expect(await Promise.all(locks.map((lock) => lock.release()))).toEqual(['released', 'released', 'released']);
  });

  it('takes no second place in the queue for those that were asked for before it', async () => {
    const held = await theirs.acquire('before-broken');
    const waiting = mine.acquire('before-broken', { wait: '5s' });
    const failed = mine.acquire(broken);
    await expect(failed).rejects.toThrow(LockUnreachableError);
    await pause(50);

    expect(await waitersOf(server, 'before-broken')).toHaveLength(1);
    await held.release();
    await (await waiting).release();
    expect(await holdersOf(server, 'before-broken')).toEqual([]);
  });

  it('does not make a release beside it look like a loss', async () => {
    const [lock, other] = [await mine.acquire('released-beside'), await mine.acquire('then-broken')];
    await server.call('DEL', 'app:lock:{then-broken}');
    await server.call('SET', 'app:lock:{then-broken}', 'not a lock');
    const following = theirs.withLock('released-beside', () => undefined);
    await untilWaiting(server, 'released-beside');
    const ends = await Promise.allSettled([lock.release(), other.release()]);

    expect(ends).toMatchObject([{ value: 'released' }, { status: 'rejected' }]);
    await following;
  });

  it('does not stop the renewals of other locks', async () => {
    const [lock, lost] = [
      await mine.acquire('renewed-beside', { ttl: '3s' }),
      await mine.acquire('lost', { ttl: '3s' }),
    ];
    await server.call('DEL', 'app:lock:{lost}');
    await server.call('SET', 'app:lock:{lost}', 'not a lock');
    await pause(3_000);

    expect([lock.signal.aborted, lost.signal.aborted]).toEqual([false, true]);
    expect(lock.validForMs()).toBeGreaterThan(500);
    expect(await lock.release()).toBe('released');
  });

  it('is not listed, and hides nothing', async () => {
    await using lock = await mine.acquire('listed');

    const keys = (await mine.admin.list()).map(({ key }) => key);
    expect(keys).toContain(`app:lock:{${lock.key}}`);
    expect(keys).not.toContain(`app:lock:{${broken}}`);
  });
});

describe('A network that forwards nothing any more', () => {
  it('leaves no lock to a caller that was told of none, and none is used beyond its validity', async () => {
    const lock = await mine.acquire('hole', { ttl: '3s' });
    const { signal } = lock;
    const heldAt = performance.now();
    proxy.blackhole();
    const [fresh, aborted] = await Promise.all([
      outcomeOf(mine.acquire('hole-fresh')),
      new Promise<number>((resolve) => signal.addEventListener('abort', () => resolve(performance.now()))),
    ]);

    expect(fresh.error).toBeInstanceOf(LockUnreachableError);
    expect(fresh.tookMs).toBeLessThan(1_300);
    expect(aborted - heldAt).toBeLessThan(3_000);
    expect(aborted - heldAt).toBeGreaterThan(2_800);
    const taken = await theirs.acquire('hole', { wait: '2s' });
    expect(performance.now() - aborted).toBeLessThan(1_000);
    expect(taken.token).toBeGreaterThan(lock.token);
    proxy.heal();
    expect(await (async () => lock.release().catch(() => 'stolen'))()).toBe('stolen');
    taken.assertHeld();
    await taken.release();
    await untilFree(server, 'hole-fresh');
  });
});
