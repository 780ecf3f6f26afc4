import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Beat, Claim, LockDriver } from '../drivers/lock-driver.js';
import { thisMoment } from '../moment.js';
import { Line } from './line.js';
import { Waiter } from './waiter.js';

let beats: { readonly ids: string[]; answer(beat: Partial<Beat>): Promise<void>; fail(): Promise<void> }[];
let line: Line;
let emptied: number;
let givenBack: string[];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  beats = [];
  emptied = 0;
  givenBack = [];
  const driver = {
    beat: (waiting: readonly Claim[]) => {
      const since = thisMoment();
      return new Promise<Beat>((resolve, reject) => {
        beats.push({
          ids: waiting.map(({ id }) => id),
          answer: (beat) => {
            const tokens = waiting.map(() => undefined);
            resolve({ since, nextMs: 0, first: false, lastToken: 0n, tokens, ...beat });
            return settled();
          },
          fail: () => {
            reject(new Error('away'));
            return settled();
          },
        });
      });
    },
  };
  line = new Line(
    driver as unknown as LockDriver,
    1_000,
    () => emptied++,
    (claim) => givenBack.push(claim.id),
  );
});
afterEach(() => {
  line.close();
  jest.useRealTimers();
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const waiter = (id: string, ttlMs = 30_000): Waiter =>
  new Waiter({ key: 'k', id, permits: 1, weight: 1, ttlMs, delayMs: 0 });

function join(id: string, nextMs = 0, ttlMs?: number): Waiter {
  const joined = waiter(id, ttlMs);
  line.add(joined, nextMs);
  return joined;
}

describe('The waiters of a process for one lock', () => {
  it('are told of by one beat a second', async () => {
    join('a');
    jest.advanceTimersByTime(400);
    join('b');
    jest.advanceTimersByTime(599);
    expect(beats).toHaveLength(0);
    jest.advanceTimersByTime(1);
    expect(beats.map(({ ids }) => ids)).toEqual([['a', 'b']]);
    await beats[0]!.answer({});
    jest.advanceTimersByTime(999);
    expect(beats).toHaveLength(1);
    jest.advanceTimersByTime(1);

    expect(beats).toHaveLength(2);
  });

  it('are asked for when the next hold expires: at once by who is first, and soon by the others', async () => {
    join('a', 300);
    jest.advanceTimersByTime(329);
    expect(beats).toHaveLength(0);
    jest.advanceTimersByTime(71);
    expect(beats).toHaveLength(1);
    await beats[0]!.answer({ nextMs: 200, first: true });
    jest.advanceTimersByTime(200);
    expect(beats).toHaveLength(1);
    jest.advanceTimersByTime(1);
    expect(beats).toHaveLength(2);
    await beats[1]!.answer({ nextMs: 200, first: false });
    jest.advanceTimersByTime(229);
    expect(beats).toHaveLength(2);
    jest.advanceTimersByTime(71);

    expect(beats).toHaveLength(3);
  });

  it('are asked for at once when something may have been missed, also while a beat is under way', async () => {
    join('a');
    line.beatNow();
    line.beatNow();
    line.beatNow();
    expect(beats).toHaveLength(1);
    await beats[0]!.answer({});
    jest.advanceTimersByTime(0);
    expect(beats).toHaveLength(2);
    await beats[1]!.answer({});
    jest.advanceTimersByTime(999);

    expect(beats).toHaveLength(2);
  });

  it('give back what a beat says was granted to one that has left meanwhile', async () => {
    const left = join('a');
    const stays = join('b');
    line.beatNow();
    line.remove(left);
    await beats[0]!.answer({ tokens: [7n, 8n] });

    expect([left.isGranted, stays.isGranted]).toEqual([false, true]);
    expect(givenBack).toEqual(['a']);
  });

  it('keep what a beat says was granted to one that has left with it', async () => {
    const left = join('a');
    join('b');
    line.beatNow();
    left.hand(7n);
    line.remove(left);
    await beats[0]!.answer({ tokens: [7n, undefined] });

    expect(givenBack).toEqual([]);
  });

  it('that come while a beat is under way are in the next', async () => {
    join('a');
    line.beatNow();
    join('b', 100);
    await beats[0]!.answer({});
    jest.advanceTimersByTime(1_000);

    expect(beats.map(({ ids }) => ids)).toEqual([['a'], ['a', 'b']]);
  });

  it('who leave are in no later beat, and the last one ends it', async () => {
    const [a, b] = [join('a'), join('b')];
    line.beatNow();
    line.remove(a);
    await beats[0]!.answer({ tokens: [7n, undefined] });
    jest.advanceTimersByTime(1_000);
    expect(beats[1]!.ids).toEqual(['b']);
    line.remove(b);
    await beats[1]!.answer({});
    jest.advanceTimersByTime(10_000);

    expect(emptied).toBe(1);
    expect(beats).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('know from when they were not granted, and who of them is', async () => {
    const [a, b] = [join('a'), join('b')];
    const before = a.provenAt;
    jest.advanceTimersByTime(1_000);
    const since = thisMoment();
    jest.advanceTimersByTime(200);
    await beats[0]!.answer({ since, tokens: [undefined, 9n], lastToken: 9n });

    expect([a.provenAt, a.provenToken]).toEqual([since, 9n]);
    expect(b.provenAt).toEqual(before);
    expect([a.isGranted, b.isGranted]).toEqual([false, true]);
    expect(line.first).toBe('a');
    jest.advanceTimersByTime(1_000);
    expect(beats[1]!.ids).toEqual(['a']);
  });

  it('stay as they were when a beat fails, which is tried again in a quarter of a second', async () => {
    const a = join('a');
    const before = a.provenAt;
    jest.advanceTimersByTime(1_000);
    await beats[0]!.fail();
    expect(a.provenAt).toBe(before);
    jest.advanceTimersByTime(249);
    expect(beats).toHaveLength(1);
    jest.advanceTimersByTime(1);

    expect(beats).toHaveLength(2);
  });

  it('who are all granted are not told of; who comes then is', async () => {
    const a = join('a');
    a.hand(1n);
    jest.advanceTimersByTime(5_000);
    expect(beats).toHaveLength(0);
    expect(line.first).toBeUndefined();
    join('b');
    jest.advanceTimersByTime(1_000);

    expect(beats.map(({ ids }) => ids)).toEqual([['b']]);
  });

  it('with a short time to live say more often that they wait', async () => {
    join('a');
    join('b', 0, 600);
    jest.advanceTimersByTime(200);
    expect(beats).toHaveLength(1);
    await beats[0]!.answer({});
    jest.advanceTimersByTime(200);

    expect(beats).toHaveLength(2);
  });

  it('with a short time to live, who come while a beat is under way, say so early enough', async () => {
    join('a');
    line.beatNow();
    join('b', 0, 600);
    await beats[0]!.answer({});
    jest.advanceTimersByTime(200);

    expect(beats).toHaveLength(2);
  });
});
