import type { Lock, LockService } from '@nuthatch/lock';
import { eventually, startCluster, type ClusterTopology, type RedisServer } from '../harness/index.js';
import { closeLocks, openLocks } from './open-locks.js';

let topology: ClusterTopology;
let one: LockService;
let two: LockService;

beforeAll(async () => {
  topology = await startCluster();
  const connection = {
    mode: 'cluster',
    nodes: topology.addresses,
    // More than the calls that run out of time here on purpose: it is one for all masters.
    breaker: { failures: 1_000, resetAfter: '2s' },
  } as const;
  [one, two] = (await Promise.all([openLocks(connection), openLocks(connection)])).map(({ locks }) => locks) as [
    LockService,
    LockService,
  ];
});
afterAll(async () => {
  await closeLocks();
  await topology.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Another master than the one that has the slot. */
async function anotherMaster(key: string): Promise<RedisServer> {
  const owner = await topology.ownerOf(key);
  return (await topology.masters()).find((master) => master !== owner)!;
}

describe('While a slot moves', () => {
  it('locks are held, renewed, waited for, handed over and released', async () => {
    const name = (index: number): string => `{moving}:${index}`;
    const keys = Array.from({ length: 6 }, (_, index) => `app:lock:@${name(index)}`);
    const [held, short, handed] = await Promise.all([0, 1, 2].map((index) => one.acquire(name(index), { ttl: '3s' })));
    const several = await one.acquire([name(3), name(4)], { ttl: '3s' });
    const elsewhere = await one.acquire('elsewhere', { ttl: '3s' });
    const all = [held!, short!, handed!, several, elsewhere];
    const waiting = two.acquire(name(2), { wait: '20s' });
    await eventually('it waits', async () =>
      (await two.admin.list()).some(({ key, waiters }) => key === keys[2] && waiters.length === 1),
    );

    const migration = await topology.beginMigration(topology.slotOf('{moving}'), await anotherMaster('{moving}'));
    await pause(1_200);
    expect(all.filter(({ signal }) => signal.aborted)).toEqual([]);
    await migration.moveKeys([keys[0]!, keys[2]!, keys[3]!]);
    await pause(1_500);
    const alive = (lock: Lock): boolean => !lock.signal.aborted;
    expect([alive(held!), alive(short!), alive(handed!), alive(elsewhere)]).toEqual([true, true, true, true]);
    const fresh = await two.acquire(name(5));
    expect(await two.tryAcquire(name(0))).toBeNull();
    expect(await short!.release()).toBe('released');
    expect(await handed!.release()).toBe('released');
    const next = await waiting;
    expect(next.token).toBeGreaterThan(handed!.token);
    await migration.finish();
    await pause(1_000);

    expect([alive(held!), alive(fresh), alive(next), alive(elsewhere)]).toEqual([true, true, true, true]);
    const again = await two.acquire(name(1));
    expect(again.token).toBeGreaterThan(short!.token);
    for (const lock of [held!, fresh, next, again, elsewhere]) expect(await lock.release()).toBe('released');
    expect((await two.acquire(name(0))).token).toBeGreaterThan(held!.token);
  });

  it('nothing that is done to a lock takes it away, though none of its keys has moved', async () => {
    const name = '{about}:k';
    const lock = await one.acquire(name, { ttl: '3s' });
    const back = await topology.beginMigration(topology.slotOf('{about}'), await anotherMaster('{about}'));
    // Takes a place, beats, and gives it up.
    await expect(two.acquire(name, { wait: '1200ms' })).rejects.toThrow('was not acquired');
    await lock.extend('4s');
    const waiting = two.acquire(name, { wait: '9s' });
    await pause(300);
    expect(await lock.release()).toBe('released');
    const next = await waiting;
    expect(next.token).toBeGreaterThan(lock.token);
    await next.extend('4s');
    const last = one.acquire(name, { wait: '9s' });
    await pause(300);
    expect(await two.admin.forceRelease(name)).toBe(1);
    const forced = await last;
    expect(forced.token).toBeGreaterThan(next.token);
    expect(await forced.release()).toBe('released');
    await back.finish();
  });

  it('a lock of several keys in a half moved slot is kept', async () => {
    const several = await one.acquire(['{split}:a', '{split}:b'], { ttl: '3s' });
    const migration = await topology.beginMigration(topology.slotOf('{split}'), await anotherMaster('{split}'));
    // Such keys cannot be asked for together.
    await migration.moveKeys(['app:lock:@{split}:a']);
    await pause(3_100);

    expect(several.signal.aborted).toBe(false);
    await migration.finish();
    expect(await several.release()).toBe('released');
  });

  it('sections take turns', async () => {
    let inside = 0;
    let most = 0;
    const tokens: bigint[] = [];
    const migration = await topology.beginMigration(topology.slotOf('{turns}'), await anotherMaster('{turns}'));
    let rest = 120;
    const worker = async (locks: LockService): Promise<void> => {
      while (rest-- > 0)
        await locks.withLock(
          '{turns}:k',
          async ({ token }) => {
            most = Math.max(most, ++inside);
            tokens.push(token);
            await pause(2);
            inside--;
          },
          { wait: '20s' },
        );
    };
    const working = Promise.all([one, two, one, two].map(worker));
    await pause(50);
    await migration.moveKeys(['app:lock:@{turns}:k']);
    await pause(100);
    await migration.finish();
    await working;

    expect(most).toBe(1);
    expect(tokens).toEqual(tokens.toSorted((left, right) => (left < right ? -1 : 1)));
    expect(new Set(tokens).size).toBe(120);
  });
});

describe('A master that is away', () => {
  it('ends no locks of others', async () => {
    const [dead] = await topology.masters();
    const names = Array.from({ length: 30 }, (_, index) => `away-${index}`);
    const locks = await Promise.all(names.map((name) => one.acquire(name, { ttl: '3s' })));
    const owners = await Promise.all(names.map((name) => topology.ownerOf(`app:lock:{${name}}`)));
    // Shorter than it takes to elect another one.
    dead!.pause();
    await pause(3_300);
    dead!.resume();

    expect(locks.map(({ signal }) => signal.aborted)).toEqual(owners.map((owner) => owner === dead));
    await Promise.allSettled(locks.map((lock) => lock.release()));
  });
});
