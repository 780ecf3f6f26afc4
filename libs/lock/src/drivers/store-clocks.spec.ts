import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { gate } from '../fixtures/open-core.js';
import { StoreClocks } from './store-clocks.js';

const SERVER_START_US = 1_700_000_000_000_000;

let asked: string[];
let answers: (() => Promise<number>)[];
let serverAheadMs: number;
let clocks: StoreClocks;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  asked = [];
  answers = [];
  serverAheadMs = 0;
  clocks = new StoreClocks((key) => {
    asked.push(key);
    return (answers.shift() ?? (async () => serverUs()))();
  });
});
afterEach(() => {
  jest.useRealTimers();
});

const serverUs = (at = performance.now()): number => SERVER_START_US + Math.round((at + serverAheadMs) * 1_000);
const inMs = (ms: number): number => performance.now() + ms;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('The clock of a server', () => {
  it('is asked for once, and then known without asking', async () => {
    const [first, second] = [clocks.at('a', 'key', inMs(1_000)), clocks.at('a', 'other', inMs(1_000))];

    expect(await first).toBe(serverUs(inMs(1_000)) - 5_000);
    expect(await second).toBe(await first);
    expect(clocks.at('a', 'key', inMs(500))).toBe(serverUs(inMs(500)) - 5_000);
    expect(asked).toEqual(['key']);
  });

  it('is never said too late, however long the answer took', async () => {
    for (const tookMs of [0, 1, 300, 900]) {
      clocks.reset();
      const answered = gate<number>();
      answers.push(() => answered.promise);
      const saying = clocks.at('a', 'key', inMs(1_000));
      const shouldBe = serverUs(inMs(1_000));
      const askedAt = serverUs();
      jest.advanceTimersByTime(tookMs);
      answered.open(askedAt);

      const said = await saying;
      expect(said).toBeLessThan(shouldBe);
      expect(said).toBeGreaterThanOrEqual(shouldBe - tookMs * 1_000 - 5_000);
    }
  });

  it('is asked for anew after a minute, while the old one stands', async () => {
    await clocks.at('a', 'key', inMs(0));
    jest.advanceTimersByTime(59_999);
    clocks.at('a', 'key', inMs(0));
    expect(asked).toHaveLength(1);
    jest.advanceTimersByTime(2);
    serverAheadMs = 400;

    expect(clocks.at('a', 'key', inMs(0))).toBe(serverUs() - 400_000 - 5_000);
    expect(asked).toHaveLength(2);
    await settled();
    expect(clocks.at('a', 'key', inMs(0))).toBe(serverUs() - 5_000);
  });

  it('stands when it cannot be asked for anew', async () => {
    await clocks.at('a', 'key', inMs(0));
    jest.advanceTimersByTime(60_001);
    answers.push(() => Promise.reject(new Error('away')));

    clocks.at('a', 'key', inMs(0));
    await settled();

    expect(clocks.at('a', 'key', inMs(0))).toBe(serverUs() - 5_000);
    expect(asked).toHaveLength(3);
  });

  it('that cannot be asked for fails all who need it, and is asked for by the next', async () => {
    answers.push(() => Promise.reject(new Error('away')));
    const both = [clocks.at('a', 'key', 0), clocks.at('a', 'key', 0)];

    expect(await Promise.allSettled(both)).toMatchObject([
      { reason: new Error('away') },
      { reason: new Error('away') },
    ]);

    expect(await clocks.at('a', 'key', inMs(0))).toBe(serverUs() - 5_000);
  });

  it('is one for each server', async () => {
    await clocks.at('a', 'key', 0);
    serverAheadMs = 1_000;
    await clocks.at('b', 'key', 0);

    expect(clocks.at('b', 'key', 0)).toBe((clocks.at('a', 'key', 0) as number) + 1_000_000);
  });

  it('is corrected by what a refusal says', async () => {
    await clocks.at('a', 'key', 0);
    serverAheadMs = 5_000;

    clocks.note('a', serverUs());

    expect(clocks.at('a', 'key', inMs(100))).toBe(serverUs(inMs(100)) - 5_000);
  });

  it('is forgotten when another server may have taken over', async () => {
    await clocks.at('a', 'key', 0);
    clocks.reset();
    serverAheadMs = -2_000;

    expect(await clocks.at('a', 'key', inMs(0))).toBe(serverUs() - 5_000);
  });

  it('is asked for again when another server took over while it was asked for', async () => {
    const answered = gate<number>();
    answers.push(() => answered.promise);
    const saying = clocks.at('a', 'key', inMs(100));
    const before = serverUs();
    clocks.reset();
    // The clock of the new one is behind: by that of the old one it would do what has been given up.
    serverAheadMs = -2_000;
    answered.open(before);

    expect(await saying).toBe(serverUs(inMs(100)) - 5_000);
    expect(clocks.at('a', 'key', inMs(100))).toBe(serverUs(inMs(100)) - 5_000);
  });
});
