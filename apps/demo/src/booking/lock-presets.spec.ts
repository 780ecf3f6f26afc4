import { describe, expect, it } from '@jest/globals';
import { LockBusyError, LockUnreachableError, type Lock, type LockService } from '@nuthatch/lock';
import { acquire, LOCKS } from './lock-presets.js';

const lock = { key: 'seat' } as Lock;
const busy = new LockBusyError('seat', { waitedMs: 5_000, position: 1 });
const away = new LockUnreachableError('seat', { cause: new Error('Redis is away.') });

/** Answers one after the other, and notes what it was asked. */
function locksThatAnswer(...answers: (Lock | Error)[]): { readonly locks: LockService; readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const acquire = async (...question: unknown[]): Promise<Lock> => {
    asked.push(question);
    const answer = answers.shift()!;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { locks: { acquire } as LockService, asked };
}

describe('A lock by its preset', () => {
  it('is valid for 5, 30 and 60 seconds', () => {
    expect(Object.values(LOCKS).map(({ options: { ttl } }) => ttl)).toEqual(['5s', '30s', '60s']);
  });

  it('is asked for once more for a payment when others hold it', async () => {
    const { locks, asked } = locksThatAnswer(busy, lock);
    expect(await acquire(locks, 'seat', LOCKS.payment)).toBe(lock);
    const once = ['seat', { ttl: '60s', wait: '5s' }];
    expect(asked).toEqual([once, once]);
  });

  it('is given up for a payment after two tries', async () => {
    const { locks, asked } = locksThatAnswer(busy, busy, lock);
    await expect(acquire(locks, 'seat', LOCKS.payment)).rejects.toBe(busy);
    expect(asked).toHaveLength(2);
  });

  it('is asked for once where there is one try, and where it is not known whether others hold it', async () => {
    const quick = locksThatAnswer(busy, lock);
    await expect(acquire(quick.locks, 'seat', LOCKS.quick)).rejects.toBe(busy);
    expect(quick.asked).toHaveLength(1);
    const unknown = locksThatAnswer(away, lock);
    await expect(acquire(unknown.locks, 'seat', LOCKS.payment)).rejects.toBe(away);
    expect(unknown.asked).toHaveLength(1);
  });
});
