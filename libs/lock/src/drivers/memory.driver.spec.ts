import { describe, expect, it } from '@jest/globals';
import { runLockDriverSuite } from '../testing.js';
import { FENCE_KEPT_MS, type Claim, type LockListener } from './lock-driver.js';
import { MemoryLockDriver } from './memory.driver.js';
import { MemoryLockStore } from './memory-lock-store.js';

const MS = 1_000;
let nowUs = 1_800_000_000_000_000;
const clock = (): number => nowUs;
const shared = new MemoryLockStore(clock);

runLockDriverSuite({
  describe,
  it,
  name: 'memory',
  open: (process) => new MemoryLockDriver(shared, process),
  key: (name) => name,
  elapse: async (ms) => void (nowUs += Math.ceil(ms * MS)),
});

describe('The locks in memory', () => {
  const soon = (): number => performance.now() + 1_000;
  const claim = (key: string, number: number, parts: Partial<Claim> = {}): Claim => {
    return { key, id: `host:1:${number}`, permits: 1, weight: 1, ttlMs: 1_000, delayMs: 0, ...parts };
  };
  const open = (): { store: MemoryLockStore; driver: MemoryLockDriver } => {
    const store = new MemoryLockStore(clock);
    return { store, driver: new MemoryLockDriver(store, 'host:1', 'locks') };
  };
  const cycle = async (driver: MemoryLockDriver, key: string, number: number): Promise<bigint> => {
    const answer = await driver.acquire([claim(key, number)], true, soon());
    if (answer.state !== 'granted') throw new Error(answer.state);
    await driver.release([{ key, id: `host:1:${number}`, token: answer.token }]);
    return answer.token;
  };

  it('are those of the processes that share a store, and of no others', async () => {
    const [one, other] = [open().driver, open().driver];

    expect(await one.acquire([claim('key', 1)], false, soon())).toMatchObject({ state: 'granted' });
    expect(await other.acquire([claim('key', 2)], false, soon())).toMatchObject({ state: 'granted' });
  });

  it('are forgotten some time after they were free, at the calls of others', async () => {
    const { store, driver } = open();
    for (let index = 0; index < 5_000; index++) await cycle(driver, `once-${index}`, index);
    expect(store.size).toBe(5_000);

    nowUs += (FENCE_KEPT_MS - 1) * MS;
    for (let call = 0; call < 4_000; call++) await cycle(driver, 'regular', call);
    expect(store.size).toBe(5_001);
    nowUs += 1_002 * MS;
    for (let call = 0; call < 4_000; call++) await cycle(driver, 'regular', call);

    expect(store.size).toBe(1);
  });

  it('are not forgotten while they are held, waited for, or kept from being granted', async () => {
    const { store, driver } = open();
    const day = 86_400_000;
    await driver.acquire([claim('held', 1, { ttlMs: day })], false, soon());
    await driver.acquire([claim('delayed', 2, { ttlMs: 1, delayMs: day })], false, soon());
    const answer = await driver.acquire([claim('kept', 3)], false, soon());
    const token = answer.state === 'granted' ? answer.token : 0n;
    await driver.release([{ key: 'kept', id: 'host:1:3', token }], { keepMs: day });
    await driver.acquire([claim('waited', 4, { delayMs: day })], false, soon());
    for (let hour = 0; hour < 12; hour++) {
      nowUs += 3_600_000 * MS;
      for (let call = 0; call < 200; call++) await cycle(driver, 'regular', call);
    }

    expect(store.size).toBe(5);
    for (const key of ['held', 'delayed', 'kept', 'waited'])
      expect(await driver.acquire([claim(key, 5)], false, soon())).toMatchObject({ state: 'busy' });
  });

  it('remember the token of a lock that is free when their clock is set back', async () => {
    const { driver } = open();
    const before = await cycle(driver, 'key', 1);
    nowUs -= 60_000 * MS;

    const after = await cycle(driver, 'key', 2);
    nowUs += 60_000 * MS;

    expect(after).toBe(before + 1n);
  });

  it('are granted for their whole time to who asks for what is free by then, and briefly to others', async () => {
    const { driver } = open();
    const remaining = async (): Promise<number[]> => {
      for await (const { holders } of driver.list('')) return holders.map(({ remainingMs }) => remainingMs);
      return [];
    };
    const [first, asking, other] = [1, 2, 3].map((number) => claim('key', number, { permits: 2, ttlMs: 10_000 }));
    await driver.acquire([{ ...first!, weight: 2, ttlMs: 1_000 }], false, soon());
    for (const waiter of [asking!, other!]) await driver.acquire([waiter], true, soon());
    nowUs += 1_000 * MS;

    await driver.beat([asking!], soon());
    expect(await remaining()).toEqual([10_000, 3_000]);
    nowUs += 1_000 * MS;
    await driver.beat([other!], soon());

    expect(await remaining()).toEqual([9_000, 10_000]);
  });

  it('say how each of several holds of a semaphore ended', async () => {
    const { driver } = open();
    const holds = await Promise.all(
      [1, 2, 3, 4].map(async (number) => {
        const answer = await driver.acquire([claim('key', number, { permits: 4 })], false, soon());
        return { key: 'key', id: `host:1:${number}`, token: answer.state === 'granted' ? answer.token : 0n };
      }),
    );
    await driver.release([holds[0]!]);
    await driver.renew([{ ...holds[2]!, ttlMs: 9_000 }], soon());
    nowUs += 1_000 * MS;
    await driver.force('key');

    const outcomes = await Promise.all(holds.map((hold) => driver.release([hold])));
    expect(outcomes).toEqual(['released', 'expired', 'forced', 'expired']);
  });

  it('tell nobody twice who has ended its listening twice', async () => {
    const { store, driver } = open();
    const heard: string[] = [];
    const listener = (name: string): LockListener => ({
      granted: (id) => void heard.push(`${name} ${id}`),
      forced: () => undefined,
      gap: () => undefined,
      moved: () => undefined,
    });
    const off = driver.listen(listener('one'));
    off();
    const other = new MemoryLockDriver(store, 'host:1');
    other.listen(listener('other'));
    off();

    await driver.acquire([claim('key', 1)], false, soon());
    await other.acquire([claim('key', 2)], true, soon());
    await driver.force('key');
    await Promise.resolve();

    expect(heard).toEqual(['other host:1:2']);
  });

  it('name the connection in the error of a call that comes too late', async () => {
    const { driver } = open();

    await expect(driver.acquire([claim('key', 1)], true, performance.now() - 1)).rejects.toMatchObject({
      name: 'RedisTimeoutError',
      connection: 'locks',
      outcome: 'not-executed',
    });
  });

  it('by their own clock count in microseconds since 1970', async () => {
    const driver = new MemoryLockDriver(new MemoryLockStore(), 'host:1');

    const tokens = [await cycle(driver, 'key', 1), await cycle(driver, 'key', 2)];

    expect(tokens[1]! > tokens[0]!).toBe(true);
    expect(Math.abs(Number(tokens[0]! / 1_000n) - Date.now())).toBeLessThan(60_000);
  });
});
