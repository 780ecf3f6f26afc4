import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisUnreachableError } from '@nuthatch/redis';
import { MemoryTopStore } from './memory-top-store.js';
import type { Counted } from './space-saving.js';
import { TopConsumers } from './top-consumers.js';
import { KEPT, type TopStore } from './top-store.js';

const MINUTE = 60_000;
let nowMs: number;
let store: MemoryTopStore;
let consumers: TopConsumers;

beforeEach(() => {
  jest.useFakeTimers();
  nowMs = 0;
  store = new MemoryTopStore(() => nowMs);
  consumers = new TopConsumers(store);
});
afterEach(async () => {
  await consumers.stop();
  jest.useRealTimers();
});

describe('The top consumers of a policy', () => {
  it('are those that were given and denied the most', async () => {
    consumers.note('api', 'a', 5, true);
    consumers.note('api', 'b', 1, true);
    for (let call = 0; call < 9; call++) consumers.note('api', 'b', 7, false);
    consumers.note('api', 'c', 1, true);
    consumers.note('login', 'd', 99, true);

    expect(await consumers.top('api', 2)).toEqual([
      { subject: 'b', taken: 1, denied: 9 },
      { subject: 'a', taken: 5, denied: 0 },
    ]);
    expect(await consumers.top('search', 2)).toEqual([]);
  });

  it('are added up over time, for ten to twenty minutes', async () => {
    consumers.note('api', 'a', 5, true);
    await consumers.flush();
    nowMs = 19 * MINUTE;
    consumers.note('api', 'a', 2, true);
    consumers.note('api', 'b', 1, true);
    expect(await consumers.top('api', 9)).toEqual([
      { subject: 'a', taken: 7, denied: 0 },
      { subject: 'b', taken: 1, denied: 0 },
    ]);

    nowMs = 20 * MINUTE;
    expect(await consumers.top('api', 9)).toEqual([
      { subject: 'a', taken: 2, denied: 0 },
      { subject: 'b', taken: 1, denied: 0 },
    ]);
    nowMs = 30 * MINUTE;
    expect(await consumers.top('api', 9)).toEqual([]);
  });

  it('are kept to a thousand, and those with the least go', async () => {
    for (let batch = 0; batch < 20; batch++) {
      for (let index = 0; index < 100; index++) consumers.note('api', `user:${batch}:${index}`, batch + 1, true);
      await consumers.flush();
    }
    expect(await store.read('api')).toHaveLength(KEPT);
    expect((await consumers.top('api', 1_000)).at(-1)).toMatchObject({ taken: 11 });
  });

  it('are told to the others every few seconds, only what is new, and at the end what is left', async () => {
    const told: (readonly Counted[])[] = [];
    const other: TopStore = { add: async (_policy, counted) => void told.push(counted), read: async () => [] };
    consumers = new TopConsumers(other);
    consumers.start();
    consumers.note('api', 'a', 5, true);
    await jest.advanceTimersByTimeAsync(5_000);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual([[{ subject: 'a', taken: 5, denied: 0 }]]);

    consumers.note('api', 'b', 1, false);
    await consumers.stop();
    expect(told).toEqual([[{ subject: 'a', taken: 5, denied: 0 }], [{ subject: 'b', taken: 0, denied: 1 }]]);
    consumers.note('api', 'c', 1, false);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(told).toHaveLength(2);
  });

  it('lose nothing that Redis has surely not got, and count nothing twice that it may have got', async () => {
    let outcome: 'not-executed' | 'unknown' | undefined = 'not-executed';
    const failing: TopStore = {
      add: (policy, counted) =>
        outcome ? Promise.reject(new RedisUnreachableError('default', 'gone', outcome)) : store.add(policy, counted),
      read: (policy) => store.read(policy),
    };
    consumers = new TopConsumers(failing);
    consumers.note('api', 'a', 5, true);
    const flushed = consumers.flush();
    await Promise.resolve();
    consumers.note('api', 'a', 2, true);
    consumers.note('api', 'b', 1, true);
    await flushed;
    outcome = undefined;
    expect(await consumers.top('api', 9)).toEqual([
      { subject: 'a', taken: 7, denied: 0 },
      { subject: 'b', taken: 1, denied: 0 },
    ]);

    outcome = 'unknown';
    consumers.note('api', 'b', 50, true);
    await consumers.flush();
    outcome = undefined;
    expect(await consumers.top('api', 9)).toHaveLength(2);
    expect(await consumers.top('api', 1)).toEqual([{ subject: 'a', taken: 7, denied: 0 }]);
  });

  it('are told by the digest of a subject that is long', async () => {
    consumers.note('api', 'x'.repeat(10_000), 1, true);
    consumers.note('api', 'x'.repeat(128), 1, true);
    const subjects = (await consumers.top('api', 9)).map(({ subject }) => subject);
    expect(subjects.map((subject) => subject.length).sort()).toEqual([128, 51]);
    expect(subjects.find((subject) => subject.length === 51)).toMatch(/^%sha256:[\w-]{43}$/);
  });

  it.each([0, -1, 1.5, 1_001, Number.NaN, '5' as unknown as number])('are not %p', async (count) => {
    await expect(consumers.top('api', count)).rejects.toThrow('Give a whole number from 1 to 1000');
  });
});
