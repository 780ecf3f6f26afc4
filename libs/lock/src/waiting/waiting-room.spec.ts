import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openCore, openStore, type OpenCore } from '../fixtures/open-core.js';
import { MemoryLockDriver } from '../drivers/memory.driver.js';
import type { MemoryLockStore } from '../drivers/memory-lock-store.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import { Afterwork } from './afterwork.js';
import { WaitingRoom } from './waiting-room.js';

let store: MemoryLockStore;
let other: OpenCore;
let driver: StagedDriver;
let room: WaitingRoom;
let afterwork: Afterwork;

beforeEach(() => {
  store = openStore();
  other = openCore({}, { store });
  driver = new StagedDriver(new MemoryLockDriver(store, 'spec/1/x'));
  afterwork = new Afterwork();
  room = new WaitingRoom(driver, 1_000, afterwork);
  driver.listen({
    granted: (id, token, key) => room.granted({ id, token, key }),
    forced: () => undefined,
    gap: () => room.lookAround(),
    moved: () => undefined,
  });
});
afterEach(async () => {
  room.close(new Error('over'));
  await afterwork.close();
  await other.end();
});

let count = 0;
const claim = (key = 'k') => ({
  key: `spec:lock:{${key}}`,
  id: `spec/1/x:${++count}`,
  permits: 1,
  weight: 1,
  ttlMs: 30_000,
  delayMs: 0,
});
const patience = (waitMs: number, signal?: AbortSignal) => ({ label: 'k', waitMs, signal });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('The waiting room', () => {
  it('knows who waits, and who of them is first', async () => {
    const held = await other.acquire('k');
    const [first, second] = [claim(), claim()];
    const controller = new AbortController();
    const waits = [room.wait(first, patience(5_000, controller.signal)), room.wait(second, patience(5_000))];
    await turn();
    expect([room.isWaitedFor(first.key), room.firstFor(first.key)]).toEqual([true, first.id]);
    controller.abort();
    await waits[0]!.catch(() => undefined);
    expect(room.firstFor(first.key)).toBe(second.id);
    await held.release();

    expect(await waits[1]!).toMatchObject({ waited: true, ms: 3_000 });
    expect([room.isWaitedFor(first.key), room.firstFor(first.key)]).toEqual([false, undefined]);
  });

  it('does not wait for a lock that is free', async () => {
    expect(await room.wait(claim(), patience(5_000))).toMatchObject({ waited: false, ms: 30_000 });
    expect(room.isWaitedFor(claim().key)).toBe(false);
  });

  it('takes a wait that is longer than a timer can be for a long one', async () => {
    const held = await other.acquire('k');
    let isOver = false;
    const waiting = room.wait(claim(), patience(30 * 86_400_000)).finally(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(isOver).toBe(false);
    await held.release();

    expect(await waiting).toMatchObject({ waited: true });
  });

  it('takes a grant that is told before the answer to the question', async () => {
    const mine = claim();
    const held = await other.acquire('k');
    driver.instead.acquire = async (ask) => {
      const answer = await ask();
      await held.release();
      await turn();
      return answer;
    };

    expect(await room.wait(mine, patience(5_000))).toMatchObject({ waited: true });
    expect(room.isWaitedFor(mine.key)).toBe(false);
  });

  it('knows who was granted a lock before the answer, also while the store is asked whether that still stands', async () => {
    const mine = { ...claim(), ttlMs: 900 };
    const held = await other.acquire('k');
    driver.instead.acquire = async (ask) => {
      const answer = await ask();
      // Two thirds of the time are over when it is told.
      await new Promise((resolve) => setTimeout(resolve, 650));
      await held.release();
      await turn();
      return answer;
    };
    const known: boolean[] = [];
    driver.instead.renew = async (ask) => {
      known.push(room.granted({ ...mine, token: 5n }));
      return ask();
    };

    expect(await room.wait(mine, patience(5_000))).toMatchObject({ waited: true, ms: 900 });
    expect(known).toEqual([true]);
    expect(room.granted({ ...mine, token: 5n })).toBe(false);
  });

  it('ignores what is said of others, and of who has gone', async () => {
    await other.acquire('k');
    const mine = claim();
    await room.wait(mine, patience(5));
    room.granted({ ...mine, token: 5n });
    room.granted({ key: mine.key, id: 'somebody/1/x:1', token: 5n });
    room.lookAround();

    expect(room.isWaitedFor(mine.key)).toBe(false);
  });

  it('lets nobody wait who comes after the end, and leaves no place taken', async () => {
    await other.acquire('k');
    room.close(new Error('over'));

    await expect(room.wait(claim(), patience(5_000))).rejects.toMatchObject({ cause: new Error('over') });
    await afterwork.close();

    expect(await other.waiters('k')).toEqual([]);
  });
});
