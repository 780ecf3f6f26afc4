import { beforeEach, describe, expect, it } from '@jest/globals';
import { LockExpiredError, LockNotHeldError, LockReleasedError } from '../lock.errors.js';
import type { LockTarget } from '../lock-request.js';
import { resolveKeys } from '../resolve-keys.js';
import { assertLocked, currentLock } from './current-lock.js';
import { gate, settled } from './fixtures/gate.js';
import { LocalLocks } from './fixtures/local-locks.js';
import { LockSections } from './lock-sections.js';

let locks: LocalLocks;
let sections: LockSections;

beforeEach(() => {
  locks = new LocalLocks();
  sections = new LockSections(locks);
});

function withLock<T>(keys: string | readonly string[], fn: () => T | Promise<T>, of = sections): Promise<T> {
  return of.run({ ...locks.options, targets: resolveKeys(locks.root, keys) }, fn);
}

describe('currentLock()', () => {
  it('is the lock of the section around the call, however deep', async () => {
    await withLock('a', async () => {
      expect(currentLock()).toBe(locks.held[0]);
      await settled();
      expect(await Promise.all([1, 2].map(async () => currentLock()))).toEqual([locks.held[0], locks.held[0]]);
    });
  });

  it('is that of the innermost section, and of the outer one again after that', async () => {
    await withLock('a', async () => {
      expect(await withLock('b', () => currentLock().key)).toBe('b');
      expect(currentLock().key).toBe('a');
    });
  });

  it('is not there outside of sections, nor in what a section has left behind', async () => {
    const open = gate();
    let late!: Promise<unknown>;

    expect(() => currentLock()).toThrow(LockNotHeldError);
    await withLock('a', () => {
      late = open.passed.then(() => currentLock());
    });
    expect(() => currentLock()).toThrow('No section around this call holds a lock.');
    open.open();

    await expect(late).rejects.toThrow(LockNotHeldError);
  });

  it('is not that of another flow', async () => {
    const open = gate();
    const one = withLock('a', () => open.passed);
    await settled();

    expect(() => currentLock()).toThrow(LockNotHeldError);
    expect(await withLock('b', () => currentLock().key)).toBe('b');
    open.open();
    await one;
  });
});

describe('assertLocked()', () => {
  it('passes where a section holds the lock, be it one of several or of a section further out', async () => {
    await withLock(['a', 'b'], () =>
      withLock('c', () => {
        for (const key of [undefined, 'a', 'b', 'c']) expect(() => assertLocked(key)).not.toThrow();
      }),
    );
  });

  it('throws where no section holds it', async () => {
    expect(() => assertLocked()).toThrow(LockNotHeldError);
    expect(() => assertLocked('a')).toThrow('No section around this call holds lock "a".');
    await withLock('a', () => {
      expect(() => assertLocked('b')).toThrow(LockNotHeldError);
    });
  });

  it('throws what has become of a lock that was lost, or given back', async () => {
    const loss = new LockExpiredError('a', 1n, 'Redis did not answer.');
    const run = withLock('a', () => {
      locks.held[0]!.lose(loss);
      expect(() => assertLocked()).toThrow(loss);
      expect(() => assertLocked('a')).toThrow(loss);
    });
    await expect(run).rejects.toThrow(loss);

    await withLock('b', async () => {
      await currentLock().release();
      expect(() => assertLocked('b')).toThrow(LockReleasedError);
    });
  });

  it('looks further out for a lock that was taken again after a section had given it back', async () => {
    await withLock('a', async () => {
      await currentLock().release();
      await withLock('a', () => expect(() => assertLocked('a')).not.toThrow());
    });
  });

  it('throws where others may be in as well: one permit of several, or a reader', async () => {
    const target: LockTarget = {
      kind: 'read-write',
      label: 'document',
      key: 'spec:lock:rw:{document}',
      permits: 3,
      weight: 1,
    };
    await sections.run({ ...locks.options, targets: [target] }, () => {
      expect(() => assertLocked('document', 'read-write')).toThrow(
        'No section around this call holds read-write lock "document".',
      );
      expect(() => assertLocked()).not.toThrow();
    });
    await sections.run({ ...locks.options, targets: [{ ...target, weight: 3 }] }, () => {
      expect(() => assertLocked('document', 'read-write')).not.toThrow();
    });
  });

  it.each(['semaphore', 'read-write', 'job'] as const)('does not take a %s for a lock of its name', async (kind) => {
    const target: LockTarget = { kind, label: 'order', key: `spec:lock:${kind}:{order}`, permits: 1, weight: 1 };
    await sections.run({ ...locks.options, targets: [target] }, () => {
      expect(() => assertLocked('order')).toThrow('No section around this call holds lock "order".');
      expect(() => assertLocked('order', kind)).not.toThrow();
    });
  });

  it('knows a job by its label, and a lock of that name is none', async () => {
    const target: LockTarget = {
      kind: 'job',
      label: 'scheduled:a',
      key: 'spec:lock:scheduled:{a}',
      permits: 1,
      weight: 1,
    };
    await sections.run({ ...locks.options, targets: [target] }, () => {
      expect(() => assertLocked('scheduled:a')).not.toThrow();
      expect(() => assertLocked('scheduled:a', 'lock')).toThrow(LockNotHeldError);
    });
    await withLock('scheduled:a', () => {
      expect(() => assertLocked('scheduled:a')).toThrow('holds lock of job "scheduled:a"');
      expect(() => assertLocked('scheduled:a', 'lock')).not.toThrow();
    });
  });

  it('does not take the lock of another application for that of its own', async () => {
    const others = new LockSections(new LocalLocks());

    await withLock('a', () =>
      withLock(
        'b',
        () => {
          expect(() => assertLocked('b')).not.toThrow();
          expect(() => assertLocked('a')).toThrow(LockNotHeldError);
        },
        others,
      ),
    );
  });
});
