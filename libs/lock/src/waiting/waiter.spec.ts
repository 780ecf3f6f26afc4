import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { thisMoment } from '../moment.js';
import { isFresh, Waiter, type Grant } from './waiter.js';

const claim = { key: 'k', id: 'h/1/x:1', permits: 1, weight: 1, ttlMs: 30_000, delayMs: 0 };

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('A waiter', () => {
  it('is granted once, from when it was certain last that it was not', async () => {
    const waiter = new Waiter(claim);
    const outcome = waiter.outcome();
    jest.advanceTimersByTime(700);
    const { provenAt } = waiter;
    waiter.hand(5n);
    waiter.provenAt = thisMoment();
    waiter.hand(6n);

    expect(await outcome).toEqual({ token: 5n, since: provenAt, ms: 3_000, waited: true });
    expect(waiter.isGranted).toBe(true);
  });

  it('tells of a grant that came before anybody asked for the outcome', async () => {
    const waiter = new Waiter(claim);
    waiter.hand(5n);

    expect(await waiter.outcome()).toMatchObject({ token: 5n });
  });

  it('ends without a grant when its wait is ended, and stays so', async () => {
    const waiter = new Waiter(claim);
    const outcome = waiter.outcome();
    waiter.end({ cause: 'over' });
    waiter.hand(5n);

    expect(await outcome).toEqual({ cause: 'over' });
  });

  it('is not granted by what was over before it was certain that it was not', () => {
    const waiter = new Waiter(claim);
    waiter.provenToken = 7n;
    waiter.hand(7n);
    expect(waiter.isGranted).toBe(false);
    waiter.hand(8n);

    expect(waiter.isGranted).toBe(true);
  });

  it('is handed no more than it asked for, and says so often that it waits that one word may be lost', () => {
    expect(new Waiter(claim)).toMatchObject({ handedMs: 3_000, beatMs: 1_000 });
    expect(new Waiter({ ...claim, ttlMs: 600 })).toMatchObject({ handedMs: 600, beatMs: 200 });
  });
});

describe('A grant', () => {
  it('is fresh while more than a third of it is left', () => {
    const grant: Grant = { token: 1n, since: thisMoment(), ms: 3_000, waited: true };
    jest.advanceTimersByTime(1_999);
    expect(isFresh(grant)).toBe(true);
    jest.advanceTimersByTime(1);

    expect(isFresh(grant)).toBe(false);
  });

  it('is not fresh after the machine was asleep', () => {
    const grant: Grant = { token: 1n, since: thisMoment(), ms: 3_000, waited: true };
    jest.setSystemTime(Date.now() + 2_500);

    expect(isFresh(grant)).toBe(false);
  });
});
