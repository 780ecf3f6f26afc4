import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { gate } from '../fixtures/open-core.js';
import { Afterwork } from './afterwork.js';

let afterwork: Afterwork;
let tries: number;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  afterwork = new Afterwork();
  tries = 0;
});
afterEach(() => {
  jest.useRealTimers();
});

const elapse = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
const failing = (times: number) => async (): Promise<void> => {
  if (++tries <= times) throw new Error('away');
};

describe('What is still to be told', () => {
  it('is told once where that succeeds', async () => {
    afterwork.run(failing(0), 10_000);
    await elapse(10_000);

    expect(tries).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is tried again until it succeeds', async () => {
    afterwork.run(failing(3), 10_000);
    await elapse(1_499);
    expect(tries).toBe(3);
    await elapse(8_000);

    expect(tries).toBe(4);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is given up when it does not matter any more', async () => {
    afterwork.run(failing(Infinity), 2_000);
    await elapse(10_000);

    expect(tries).toBe(5);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is told once more where what it undoes may have come after it', async () => {
    afterwork.run(failing(0), 10_000, performance.now() + 800);
    await elapse(799);
    expect(tries).toBe(1);
    await elapse(10_000);

    expect(tries).toBe(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is told once where it comes late enough', async () => {
    afterwork.run(failing(2), 10_000, performance.now() + 800);
    await elapse(10_000);

    expect(tries).toBe(3);
  });

  it('is tried once more at the end, which waits for it', async () => {
    afterwork.run(failing(Infinity), 60_000);
    await elapse(10);
    const answered = gate();
    let isClosed = false;
    afterwork.run(() => answered.promise, 60_000);
    const closing = afterwork.close().then(() => (isClosed = true));
    await elapse(0);
    expect([tries, isClosed]).toEqual([2, false]);
    answered.fail(new Error('away'));
    await closing;

    expect(jest.getTimerCount()).toBe(0);
    await elapse(60_000);
    expect(tries).toBe(2);
  });

  it('is tried once when it comes after the end', async () => {
    await afterwork.close();
    afterwork.run(failing(Infinity), 60_000);
    await elapse(60_000);

    expect(tries).toBe(1);
  });
});
