import { describe, expect, it } from '@jest/globals';
import type { HeldLock } from '../held-lock.js';
import type { LockRequest } from '../lock-request.js';
import type { LockSource, SectionRunner } from '../lock-source.js';
import { LockBusyError, LockCallError, LockUnreachableError } from '../lock.errors.js';
import { resolveLockOptions } from '../lock.options.js';
import { Semaphore, type SemaphoreOptions } from './semaphore.js';

const HELD = {} as HeldLock;

function semaphoreOf(permits: number, { name = 'uploads', fails }: { name?: string; fails?: unknown } = {}) {
  const acquired: LockRequest[] = [];
  const ran: LockRequest[] = [];
  const source: LockSource = {
    options: resolveLockOptions({}),
    root: 'app:lock:',
    async acquire(request) {
      acquired.push(request);
      if (fails !== undefined) throw fails;
      return HELD;
    },
  };
  const sections: SectionRunner = {
    async run(request, fn) {
      ran.push(request);
      return fn(HELD);
    },
  };
  return { semaphore: new Semaphore(name, permits, source, sections), acquired, ran };
}

describe('A semaphore', () => {
  it('asks for one of its permits', async () => {
    const { semaphore, acquired } = semaphoreOf(5);

    expect(await semaphore.acquire()).toBe(HELD);

    expect(acquired).toMatchObject([
      {
        waitMs: 10_000,
        targets: [{ kind: 'semaphore', label: 'uploads', key: 'app:lock:semaphore:{uploads}', permits: 5, weight: 1 }],
      },
    ]);
  });

  it('asks for as many as it is told, with the other options', async () => {
    const { semaphore, acquired } = semaphoreOf(5);

    await semaphore.acquire({ permits: 5, wait: '2s', ttl: '1m', fair: false });

    expect(acquired).toMatchObject([{ waitMs: 2_000, ttlMs: 60_000, fair: false, targets: [{ weight: 5 }] }]);
  });

  it('runs a section while it holds permits', async () => {
    const { semaphore, ran, acquired } = semaphoreOf(5);

    expect(await semaphore.with((lock) => [lock, 'done'], { permits: 2 })).toEqual([HELD, 'done']);

    expect(ran).toMatchObject([{ waitMs: 10_000, targets: [{ permits: 5, weight: 2 }] }]);
    expect(acquired).toEqual([]);
  });

  it('does not wait for a try', async () => {
    const { semaphore, acquired } = semaphoreOf(5);

    expect(await semaphore.tryAcquire({ permits: 3, ttl: '1m' })).toBe(HELD);

    expect(acquired).toMatchObject([{ waitMs: 0, ttlMs: 60_000, targets: [{ weight: 3 }] }]);
  });

  it('says null for a try when its permits are taken, and fails when it cannot know', async () => {
    const busy = new LockBusyError('uploads', { waitedMs: 0, position: 0 });
    const unreachable = new LockUnreachableError('uploads', { cause: new Error('gone') });

    expect(await semaphoreOf(5, { fails: busy }).semaphore.tryAcquire()).toBeNull();
    await expect(semaphoreOf(5, { fails: unreachable }).semaphore.tryAcquire()).rejects.toBe(unreachable);
    await expect(semaphoreOf(5, { fails: busy }).semaphore.acquire()).rejects.toBe(busy);
  });

  it.each([0, -1, 1.5, 1_001, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined, null, {}])(
    'cannot have %p permits',
    (permits) => {
      expect(() => semaphoreOf(permits as number)).toThrow(
        /^A semaphore of .* permits cannot be made\. Use a whole number from 1 to 1000: its state grows/,
      );
    },
  );

  it('may have 1 to 1,000 permits', () => {
    expect(semaphoreOf(1).semaphore.permits).toBe(1);
    expect(semaphoreOf(1_000).semaphore.permits).toBe(1_000);
  });

  it('needs a name', () => {
    expect(() => semaphoreOf(1, { name: '' })).toThrow(LockCallError);
  });

  it.each([0, -1, 1.5, 6, Number.NaN, '2', null])('does not give %p of 5 permits', async (permits) => {
    const { semaphore, acquired, ran } = semaphoreOf(5);
    const options = { permits } as SemaphoreOptions;
    const refusal = /^options\.permits is .*\. Use a whole number from 1 to 5: semaphore "uploads" has no more\.$/;

    await expect(semaphore.acquire(options)).rejects.toThrow(refusal);
    await expect(semaphore.tryAcquire(options)).rejects.toThrow(refusal);
    await expect(semaphore.with(() => 'never', options)).rejects.toThrow(refusal);
    await expect(semaphore.acquire(options)).rejects.toBeInstanceOf(LockCallError);
    expect([...acquired, ...ran]).toEqual([]);
  });

  it.each([null, 5, 'five', { permit: 2 }])('refuses the options %p', async (options) => {
    const { semaphore, acquired } = semaphoreOf(5);

    await expect(semaphore.acquire(options as SemaphoreOptions)).rejects.toBeInstanceOf(LockCallError);
    expect(acquired).toEqual([]);
  });

  it('refuses a wait for a try', async () => {
    const { semaphore } = semaphoreOf(5);

    await expect(semaphore.tryAcquire({ wait: '1s' } as object)).rejects.toThrow(
      new LockCallError('options.wait means nothing to a try, which does not wait. Leave it out, or use acquire().'),
    );
  });
});
