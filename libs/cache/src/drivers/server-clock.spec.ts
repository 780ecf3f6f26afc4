import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ServerClock } from './server-clock.js';

const HOUR = 3_600_000;

let serverNow: number;
let asked: number;
let error: Error | undefined;

async function ask(): Promise<number> {
  asked += 1;
  if (error) throw error;
  return serverNow;
}

function elapse(ms: number): void {
  serverNow += ms;
  jest.advanceTimersByTime(ms);
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  serverNow = 1_700_000_000_000;
  asked = 0;
  error = undefined;
});
afterEach(() => {
  jest.useRealTimers();
});

/** Lets a question that is under way be answered. */
const answered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('The clock of the server', () => {
  it('is that of the server, whatever the clock here says', async () => {
    jest.setSystemTime(serverNow + HOUR);
    const clock = new ServerClock(ask);
    await clock.ready();

    expect(clock.now()).toBe(serverNow);
    elapse(1_234);
    expect(clock.now()).toBe(serverNow);
  });

  it.each([HOUR, -HOUR])('does not notice that the clock here is put by %p ms', async (jump) => {
    const clock = new ServerClock(ask);
    await clock.ready();
    elapse(500);

    jest.setSystemTime(Date.now() + jump);

    expect(clock.now()).toBe(serverNow);
    elapse(30_000);
    expect(clock.now()).toBe(serverNow);
    expect(asked).toBe(1);
  });

  it('takes the middle of the round trip for the moment at which the server looked', async () => {
    const clock = new ServerClock(async () => {
      const time = serverNow + 20;
      elapse(40);
      return time;
    });
    await clock.ready();

    expect(clock.now()).toBe(serverNow);
  });

  it('is asked once, by however many', async () => {
    const clock = new ServerClock(ask);

    await Promise.all([clock.ready(), clock.ready(), clock.sample()]);
    await clock.ready();

    expect(asked).toBe(1);
  });

  it('is asked again after a minute, without making anybody wait', async () => {
    const clock = new ServerClock(ask);
    await clock.ready();
    elapse(60_001);
    serverNow += 700;

    expect(clock.now()).toBe(serverNow - 700);
    await answered();

    expect(asked).toBe(2);
    expect(clock.now()).toBe(serverNow);
  });

  it('goes on when the server cannot be asked again', async () => {
    const clock = new ServerClock(ask);
    await clock.ready();
    error = new Error('away');
    elapse(60_001);

    expect(clock.now()).toBe(serverNow);
    await answered();

    expect(clock.now()).toBe(serverNow);
  });

  it('is the clock here until the server has been asked, which is tried again and again', async () => {
    error = new Error('away');
    const clock = new ServerClock(ask);
    await expect(clock.ready()).rejects.toBe(error);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
    expect(asked).toBe(1);

    error = undefined;
    elapse(1_001);
    clock.now();
    await answered();

    expect(asked).toBe(2);
    expect(clock.now()).toBe(serverNow);
  });

  it('rejects who needs it for as long as the server cannot be asked', async () => {
    error = new Error('away');
    const clock = new ServerClock(ask);

    await expect(clock.ready()).rejects.toBe(error);
    error = undefined;
    await expect(clock.ready()).resolves.toBeUndefined();
  });
});
