import { describe, expect, it } from '@jest/globals';
import type { HeldLock } from '../held-lock.js';
import type { LockRequest } from '../lock-request.js';
import type { LockSource, SectionRunner } from '../lock-source.js';
import { LockBusyError, LockCallError, LockUnreachableError } from '../lock.errors.js';
import { resolveLockOptions, type AcquireOptions } from '../lock.options.js';
import { ReadWriteLock } from './read-write-lock.js';

const HELD = {} as HeldLock;

function readWriteOf({ name = 'document', fails }: { name?: string; fails?: unknown } = {}) {
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
  return { lock: new ReadWriteLock(name, source, sections), acquired, ran };
}

describe('A read-write lock', () => {
  it('gives a reader one permit, and a writer all of them, of the same lock', async () => {
    const { lock, acquired } = readWriteOf();

    expect(await lock.acquireRead({ wait: '2s' })).toBe(HELD);
    expect(await lock.acquireWrite()).toBe(HELD);

    const target = { label: 'document', key: 'app:lock:rw:{document}', permits: 1_000_000 };
    expect(acquired).toMatchObject([
      { waitMs: 2_000, targets: [{ ...target, weight: 1 }] },
      { waitMs: 10_000, targets: [{ ...target, weight: 1_000_000 }] },
    ]);
  });

  it('does not wait for a try', async () => {
    const { lock, acquired } = readWriteOf();

    expect(await lock.tryRead()).toBe(HELD);
    expect(await lock.tryWrite({ ttl: '1m' })).toBe(HELD);

    expect(acquired).toMatchObject([
      { waitMs: 0, targets: [{ weight: 1 }] },
      { waitMs: 0, ttlMs: 60_000, targets: [{ weight: 1_000_000 }] },
    ]);
  });

  it('says null for a try when it is taken, and fails when it cannot know', async () => {
    const busy = readWriteOf({ fails: new LockBusyError('document', { waitedMs: 0, position: 0 }) }).lock;
    const away = readWriteOf({ fails: new LockUnreachableError('document', { cause: 'gone' }) }).lock;

    expect(await busy.tryRead()).toBeNull();
    expect(await busy.tryWrite()).toBeNull();
    await expect(away.tryRead()).rejects.toBeInstanceOf(LockUnreachableError);
    await expect(away.tryWrite()).rejects.toBeInstanceOf(LockUnreachableError);
  });

  it('runs sections that read, and that write', async () => {
    const { lock, ran, acquired } = readWriteOf();

    expect(await lock.read((held) => [held, 'read'])).toEqual([HELD, 'read']);
    expect(await lock.write(async (held) => [held, 'written'], { wait: '1s' })).toEqual([HELD, 'written']);

    expect(ran).toMatchObject([
      { waitMs: 10_000, targets: [{ weight: 1 }] },
      { waitMs: 1_000, targets: [{ weight: 1_000_000 }] },
    ]);
    expect(acquired).toEqual([]);
  });

  it.each(['acquireRead', 'acquireWrite', 'tryRead', 'tryWrite'] as const)(
    'refuses wrong options in %s()',
    async (method) => {
      const { lock, acquired } = readWriteOf();

      for (const options of [{ ttl: '1ms' }, { permits: 2 }, null])
        await expect(lock[method](options as AcquireOptions)).rejects.toBeInstanceOf(LockCallError);
      expect(acquired).toEqual([]);
    },
  );

  it.each(['read', 'write'] as const)('refuses wrong options in %s()', async (method) => {
    const { lock, ran } = readWriteOf();

    await expect(lock[method](() => 'never', { ttl: '1ms' })).rejects.toBeInstanceOf(LockCallError);
    expect(ran).toEqual([]);
  });

  it('refuses a wait for a try', async () => {
    const { lock } = readWriteOf();

    await expect(lock.tryRead({ wait: '1s' } as object)).rejects.toBeInstanceOf(LockCallError);
    await expect(lock.tryWrite({ wait: '1s' } as object)).rejects.toBeInstanceOf(LockCallError);
  });

  it('needs a name', () => {
    expect(() => readWriteOf({ name: '' })).toThrow(LockCallError);
  });
});
