import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { retryDelay, sleep } from './retry.js';

describe('A retry', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is later after each failure, up to five seconds, and never at once', () => {
    const latest = [0, 1, 2, 3, 6, 7, 50, 5_000].map((failures) => retryDelay(failures, () => 1));
    const earliest = [0, 1, 2, 3, 6, 7, 50, 5_000].map((failures) => retryDelay(failures, () => 0));

    expect(latest).toEqual([50, 100, 200, 400, 3_200, 5_000, 5_000, 5_000]);
    expect(earliest).toEqual(latest.map((ms) => ms / 2));
  });

  it('of many comes at many moments', () => {
    expect(new Set(Array.from({ length: 20 }, () => retryDelay(5))).size).toBeGreaterThan(15);
  });

  it('is waited for without holding the process', async () => {
    jest.useFakeTimers();
    const timers = jest.spyOn(globalThis, 'setTimeout');
    let over = false;

    const waiting = sleep(1_000, new AbortController().signal).then(() => (over = true));
    expect((timers.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
    await jest.advanceTimersByTimeAsync(999);
    expect(over).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    await waiting;
    expect(over).toBe(true);
  });

  it('is not waited for any longer than it matters, and leaves nothing behind', async () => {
    jest.useFakeTimers();
    const abort = new AbortController();
    const removed = jest.spyOn(abort.signal, 'removeEventListener');

    const waiting = sleep(1_000, abort.signal);
    abort.abort();
    await waiting;
    await sleep(1_000, abort.signal);

    expect(jest.getTimerCount()).toBe(0);
    expect(removed).toHaveBeenCalled();
  });
});
