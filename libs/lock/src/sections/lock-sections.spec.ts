import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { HeldLock } from '../held-lock.js';
import type { LockRequest, LockTarget } from '../lock-request.js';
import type { Lock } from '../lock.js';
import {
  LockAbortedError,
  LockBusyError,
  LockExpiredError,
  LockForcedError,
  LockNestedError,
  LockNotHeldError,
  LockStolenError,
  LockUnreachableError,
} from '../lock.errors.js';
import { resolveAcquireOptions, type AcquireOptions } from '../lock.options.js';
import { resolveKeys } from '../resolve-keys.js';
import { assertLocked, currentLock } from './current-lock.js';
import { gate, settled } from './fixtures/gate.js';
import { LocalLocks } from './fixtures/local-locks.js';
import { LockSections } from './lock-sections.js';

let locks: LocalLocks;
let sections: LockSections;
let warnings: string[];

beforeEach(() => {
  locks = new LocalLocks();
  sections = new LockSections(locks);
  warnings = [];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation((message: unknown) => void warnings.push(String(message)));
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

function request(keys: string | readonly string[], options?: AcquireOptions): LockRequest {
  return { ...resolveAcquireOptions(options, locks.options), targets: resolveKeys(locks.root, keys) };
}

function withLock<T>(
  keys: string | readonly string[],
  fn: (lock: Lock) => T | Promise<T>,
  options?: AcquireOptions,
): Promise<T> {
  return sections.run(request(keys, options), fn);
}

/** Of a semaphore of three, or with all three the write side of a lock that is read by one. */
function permits(weight: number): LockRequest {
  const target: LockTarget = {
    kind: 'semaphore',
    label: 'uploads',
    key: 'spec:lock:semaphore:{uploads}',
    permits: 3,
    weight,
  };
  return { ...locks.options, targets: [target] };
}

function useFakeTimers(): void {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
}

const expired = () => new LockExpiredError('a', 1n, 'Redis did not answer.');

describe('A section', () => {
  it('runs while its lock is held, and resolves to what it returns once that is released', async () => {
    const result = await withLock('a', async (lock) => {
      expect(locks.held).toEqual([lock]);
      expect(locks.released).toEqual([]);
      return 'done';
    });

    expect(result).toBe('done');
    expect(locks.released).toEqual([{ key: 'a', keepMs: undefined }]);
  });

  it('may be a function that is not async', async () => {
    expect(await withLock('a', ({ token }) => token)).toBe(1n);
    await expect(
      withLock('a', () => {
        throw new RangeError('full');
      }),
    ).rejects.toThrow(new RangeError('full'));
    expect(locks.held).toEqual([]);
  });

  it('does not run without its lock', async () => {
    await locks.acquire(request('a'));
    const fn = jest.fn();

    await expect(withLock('a', fn, { wait: '0ms' })).rejects.toThrow(LockBusyError);

    expect(fn).not.toHaveBeenCalled();
  });

  it('keeps others out for longer than it runs when it is told so', async () => {
    await sections.run(request('a'), () => undefined, { keepMs: 5_000 });

    expect(locks.released).toEqual([{ key: 'a', keepMs: 5_000 }]);
  });

  it('excludes others that are not within it', async () => {
    const open = gate();
    const order: string[] = [];
    const one = withLock('a', async () => {
      await open.passed;
      order.push('one');
    });
    const other = withLock('a', () => void order.push('other'));
    await settled();
    expect(order).toEqual([]);

    open.open();
    await Promise.all([one, other]);

    expect(order).toEqual(['one', 'other']);
    expect(locks.asked).toEqual(['a', 'a']);
  });
});

describe('The error of a section', () => {
  it('is not masked when its lock cannot be released, which is logged', async () => {
    locks.failure.release = new LockUnreachableError('a', { cause: new Error('down') });

    const run = withLock('a', async () => {
      throw new RangeError('full');
    });

    await expect(run).rejects.toThrow(new RangeError('full'));
    expect(warnings).toEqual([expect.stringMatching(/ends only with its validity.*"a": down$/)]);
  });

  it('is not masked when its lock was lost, which is logged', async () => {
    const run = withLock('a', async () => {
      locks.held[0]!.lose(expired());
      throw new RangeError('full');
    });

    await expect(run).rejects.toThrow(new RangeError('full'));
    expect(warnings).toEqual([expect.stringContaining(expired().message)]);
  });

  it('is that of the abort when it throws that on', async () => {
    const run = withLock('a', async ({ signal }) => {
      locks.held[0]!.lose(expired());
      signal.throwIfAborted();
    });

    await expect(run).rejects.toThrow(expired());
    expect(warnings).toEqual([]);
  });
});

describe('A section that has done its work', () => {
  it('rejects when its lock was lost meanwhile, as it was not alone', async () => {
    const run = withLock('a', async () => {
      locks.held[0]!.lose(expired());
      return 'done';
    });

    await expect(run).rejects.toThrow(expired());
    expect(locks.released).toHaveLength(1);
  });

  it.each([
    ['expired', LockExpiredError],
    ['stolen', LockStolenError],
    ['forced', LockForcedError],
  ] as const)('rejects when its release says that the lock was %s', async (outcome, Loss) => {
    locks.outcome = outcome;

    const run = withLock('a', () => 'done');

    await expect(run).rejects.toThrow(Loss);
    await expect(run).rejects.toMatchObject({ key: 'a', token: 1n });
  });

  it('resolves though Redis cannot be reached for the release, which is logged: it was alone until its end', async () => {
    locks.failure.release = new LockUnreachableError('a', { cause: new Error('down') });

    expect(await withLock('a', () => 'done')).toBe('done');
    expect(warnings).toEqual([expect.stringMatching(/ends only with its validity/)]);
  });

  it('rejects when its lock was lost and Redis cannot be reached for the release', async () => {
    locks.failure.release = new LockUnreachableError('a', { cause: new Error('down') });

    const run = withLock('a', () => locks.held[0]!.lose(expired()));

    await expect(run).rejects.toThrow(expired());
  });

  it('resolves when it has released its lock itself', async () => {
    const result = await withLock('a', async (lock) => {
      await lock.release();
      return 'done';
    });

    expect(result).toBe('done');
    expect(locks.released).toHaveLength(1);
    expect(warnings).toEqual([]);
  });
});

describe('A section within a section on the same lock', () => {
  it('runs on that lock without asking for it, and does not release it', async () => {
    await withLock('a', async (outer) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const inner = await withLock('a', async (lock) => withLock('a', () => lock));
      expect(inner).toBe(outer);
      expect(locks.released).toEqual([]);
    });

    expect(locks.asked).toEqual(['a']);
    expect(locks.released).toHaveLength(1);
  });

  it('does not keep the next one waiting when it fails', async () => {
    await withLock('a', async () => {
      await expect(withLock('a', () => Promise.reject(new RangeError('full')))).rejects.toThrow(RangeError);
      expect(await withLock('a', () => 'next')).toBe('next');
    });
  });

  it('waits for those that were started before it, while those within each of them enter at once', async () => {
    const opens = [gate(), gate(), gate()];
    const order: string[] = [];

    const run = withLock('a', () =>
      Promise.all(
        opens.map(({ passed }, index) =>
          withLock('a', async () => {
            order.push(`${index} in`);
            await withLock('a', () => passed);
            order.push(`${index} out`);
          }),
        ),
      ),
    );
    await settled();
    opens[2]!.open();
    opens[1]!.open();
    await settled();
    expect(order).toEqual(['0 in']);
    opens[0]!.open();
    await run;

    expect(order).toEqual(['0 in', '0 out', '1 in', '1 out', '2 in', '2 out']);
    expect(locks.asked).toEqual(['a']);
  });

  it('waits also for those that were started within a section on another lock', async () => {
    const open = gate();
    const order: string[] = [];

    const run = withLock('a', () =>
      Promise.all([
        withLock('b', () =>
          withLock('a', async () => {
            order.push('deep in');
            await open.passed;
            order.push('deep out');
          }),
        ),
        settled().then(() => withLock('a', () => order.push('sibling'))),
      ]),
    );
    await settled();
    await settled();
    expect(order).toEqual(['deep in']);
    open.open();
    await run;

    expect(order).toEqual(['deep in', 'deep out', 'sibling']);
    expect(locks.asked).toEqual(['a', 'b']);
  });

  it('gives up after its wait, and lets those behind it go ahead', async () => {
    useFakeTimers();
    const open = gate();

    await withLock('a', async () => {
      const first = withLock('a', () => open.passed);
      const second = withLock('a', () => 'second', { wait: '10s' });
      const third = withLock('a', () => 'third', { wait: '2s' });
      const fourth = withLock('a', () => 'fourth', { wait: '5s' });
      third.catch(() => undefined);
      await settled();
      await jest.advanceTimersByTimeAsync(1_999);
      await expect(Promise.race([third, settled().then(() => 'waits')])).resolves.toBe('waits');
      await jest.advanceTimersByTimeAsync(1);
      await expect(third).rejects.toMatchObject({ code: 'LOCK_BUSY', key: 'a', waitedMs: 2_000, position: 2 });
      open.open();
      expect(await Promise.all([first, second, fourth])).toEqual([undefined, 'second', 'fourth']);
    });

    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not wait at all when it is told so', async () => {
    await withLock('a', async () => {
      const first = withLock('a', () => settled());
      const second = withLock('a', () => 'second', { wait: '0ms' });
      await expect(second).rejects.toMatchObject({ code: 'LOCK_BUSY', waitedMs: 0, position: 0 });
      await first;
      expect(await withLock('a', () => 'third', { wait: '0ms' })).toBe('third');
    });
  });

  it('stops waiting at its signal, and does not begin after it', async () => {
    const open = gate();
    const ending = new AbortController();
    const fn = jest.fn();

    await withLock('a', async () => {
      const first = withLock('a', () => open.passed);
      const second = withLock('a', fn, { signal: ending.signal });
      const third = withLock('a', () => 'third');
      await settled();
      ending.abort(new Error('enough'));
      await expect(second).rejects.toThrow(LockAbortedError);
      await expect(second).rejects.toMatchObject({ key: 'a', cause: new Error('enough') });
      open.open();
      expect(await third).toBe('third');
      await first;
      await expect(withLock('a', fn, { signal: ending.signal })).rejects.toThrow(LockAbortedError);
    });

    expect(fn).not.toHaveBeenCalled();
  });

  it('does not run when the lock is lost, be it before it was started or while it waited', async () => {
    const open = gate();
    const fn = jest.fn();

    const run = withLock('a', async () => {
      const first = withLock('a', () => open.passed);
      const second = withLock('a', fn);
      await settled();
      locks.held[0]!.lose(expired());
      open.open();
      await expect(first).rejects.toThrow(expired());
      await expect(second).rejects.toThrow(expired());
      await expect(withLock('a', fn)).rejects.toThrow(expired());
    });

    await expect(run).rejects.toThrow(expired());
    expect(fn).not.toHaveBeenCalled();
    expect(locks.asked).toEqual(['a']);
  });

  it('asks for the lock anew once that has been given back, with what is left of its wait', async () => {
    useFakeTimers();
    const open = gate();

    await withLock('a', async (outer) => {
      const first = withLock('a', () => open.passed);
      const second = withLock('a', (lock) => lock.token, { wait: '10s' });
      await jest.advanceTimersByTimeAsync(4_000);
      await outer.release();
      open.open();
      await first;
      expect(await second).toBe(outer.token + 1n);
      expect(await withLock('a', (lock) => lock.token)).toBe(outer.token + 2n);
    });

    expect(locks.requests.map(({ waitMs }) => waitMs)).toEqual([10_000, 6_000, 10_000]);
    expect(locks.held).toEqual([]);
  });
});

describe('The end of a section', () => {
  it('waits for the sections within it on the same lock that nobody awaits, and for those within them', async () => {
    const [one, other] = [gate(), gate()];
    const run = withLock('a', () => {
      void withLock('a', async () => {
        void withLock('a', () => other.passed);
        await one.passed;
      });
      return 'done';
    });
    let ended = false;
    void run.then(() => (ended = true));

    await settled();
    expect([ended, locks.released.length]).toEqual([false, 0]);
    one.open();
    await settled();
    expect([ended, locks.released.length]).toEqual([false, 0]);
    other.open();

    expect(await run).toBe('done');
    expect(locks.released).toHaveLength(1);
  });

  it('waits for one that begins at the end of the last one', async () => {
    const [one, other] = [gate(), gate()];
    const run = withLock('a', () => {
      void withLock('a', () => one.passed).then(() => withLock('a', () => other.passed));
    });
    await settled();

    one.open();
    await settled();
    expect(locks.released).toEqual([]);
    other.open();
    await run;

    expect(locks.asked).toEqual(['a']);
  });

  it('waits for them also when it has failed', async () => {
    const open = gate();
    const run = withLock('a', async () => {
      void withLock('a', () => open.passed);
      throw new RangeError('full');
    });
    run.catch(() => undefined);

    await settled();
    expect(locks.released).toEqual([]);
    open.open();

    await expect(run).rejects.toThrow(RangeError);
    expect(locks.released).toHaveLength(1);
  });

  it('has whatever it has left behind ask for the lock anew', async () => {
    const open = gate();
    let late!: Promise<bigint>;
    await withLock('a', () => {
      late = open.passed.then(() => withLock('a', ({ token }) => token));
    });

    open.open();

    expect(await late).toBe(2n);
    expect(locks.asked).toEqual(['a', 'a']);
  });

  it('has what a section within it has left behind belong to the section around that', async () => {
    const [late, end] = [gate(), gate()];
    let left!: Promise<Lock>;
    await withLock('a', async (outer) => {
      await withLock('a', () => {
        left = late.passed.then(() => withLock('a', (lock) => lock));
      });
      late.open();
      expect(await left).toBe(outer);
      end.open();
    });

    expect(locks.asked).toEqual(['a']);
  });

  it('does not wait for a section on another lock, which then holds only its own', async () => {
    const open = gate();
    let other!: Promise<Lock>;
    await withLock('a', async () => {
      other = withLock('b', async () => {
        await open.passed;
        expect(() => assertLocked('a')).toThrow(LockNotHeldError);
        return withLock('a', () => currentLock());
      });
      await settled();
    });
    expect(locks.released).toEqual([{ key: 'a', keepMs: undefined }]);

    open.open();

    expect((await other).key).toBe('a');
    expect(locks.asked).toEqual(['a', 'b', 'a']);
  });
});

describe('A section on several locks', () => {
  it('has those within it that ask for some or all of them enter', async () => {
    await withLock(['b', 'a'], async (outer) => {
      expect(await withLock('b', (lock) => lock)).toBe(outer);
      expect(await withLock(['a', 'b'], (lock) => lock)).toBe(outer);
    });

    expect(locks.asked).toEqual(['a, b']);
  });

  it('is refused within one that holds only some, as locking the rest there would break the order of locking', async () => {
    const fn = jest.fn();

    await withLock('b', async () => {
      await expect(withLock(['a', 'b'], fn)).rejects.toThrow(LockNestedError);
      await expect(withLock(['a', 'b'], fn)).rejects.toMatchObject({ key: 'b' });
    });

    expect(fn).not.toHaveBeenCalled();
    expect(locks.asked).toEqual(['b']);
  });

  it('is not asked for within one that has lost some, nor run', async () => {
    const fn = jest.fn();

    const run = withLock('b', async () => {
      locks.held[0]!.lose(expired());
      await expect(withLock(['a', 'b'], fn)).rejects.toThrow(expired());
    });

    await expect(run).rejects.toThrow(expired());
    expect(fn).not.toHaveBeenCalled();
    expect(locks.asked).toEqual(['b']);
  });

  it('is refused within two that hold them one by one, as there is no one token for both', async () => {
    const fn = jest.fn();

    await withLock('a', () =>
      withLock('b', async () => {
        await expect(withLock(['a', 'b'], fn)).rejects.toThrow(LockNestedError);
        expect((await withLock('a', (lock) => lock)).key).toBe('a');
      }),
    );

    expect(fn).not.toHaveBeenCalled();
  });
});

describe('A section on permits', () => {
  it('has those within it that take as many or fewer enter on the same ones', async () => {
    await sections.run(permits(2), async (outer) => {
      expect(await sections.run(permits(2), (lock) => lock)).toBe(outer);
      expect(await sections.run(permits(1), (lock) => lock)).toBe(outer);
    });

    expect(locks.asked).toHaveLength(1);
  });

  it('has one within it that takes more ask for those, on top of its own', async () => {
    await sections.run(permits(1), (outer) =>
      sections.run(permits(2), async (lock) => {
        expect(lock).not.toBe(outer);
        expect(locks.held).toHaveLength(2);
      }),
    );
  });

  it('refuses one that would wait for itself, such as a writer within a reader', async () => {
    await sections.run(permits(1), async () => {
      await expect(sections.run(permits(3), () => 'written')).rejects.toThrow(LockNestedError);
    });
    await sections.run(permits(3), async () => {
      expect(await sections.run(permits(1), () => 'read')).toBe('read');
    });
  });
});

describe('A lock that is acquired apart from sections', () => {
  it('is refused within a section that holds it, as it would wait for itself', async () => {
    await withLock('a', async () => {
      await expect(sections.acquire(request('a'))).rejects.toThrow(LockNestedError);
      await expect(sections.acquire(request(['b', 'a'], { wait: '0ms' }))).rejects.toMatchObject({ key: 'a' });
      await expect(withLock('b', () => sections.acquire(request('a')))).rejects.toThrow(LockNestedError);
    });

    expect(locks.asked).toEqual(['a', 'b']);
  });

  it('is asked for within a section that holds another, has given it back, or has lost it', async () => {
    await withLock('b', () => sections.acquire(request('a')).then((lock) => lock.release()));
    await withLock('a', async (outer) => {
      await outer.release();
      await (await sections.acquire(request('a'))).release();
    });
    const lost = withLock('a', async () => {
      locks.held[0]!.lose(expired());
      // Asked for, that is, and refused by whoever has it now.
      await expect(sections.acquire(request('a', { wait: '0ms' }))).rejects.toThrow(LockBusyError);
    });
    await expect(lost).rejects.toThrow(expired());
  });

  it('is granted as long as there are permits that the sections around it do not hold', async () => {
    await sections.run(permits(2), async () => {
      await expect(sections.acquire(permits(2))).rejects.toThrow(LockNestedError);
      const third = await sections.acquire(permits(1));
      await third.release();
      await sections.run(permits(1), async () => {
        await (await sections.acquire(permits(1))).release();
      });
    });
    await sections.run(permits(3), async () => {
      await expect(sections.acquire(permits(1))).rejects.toThrow(LockNestedError);
    });
  });
});

describe('The sections of two applications in one process', () => {
  it('do not enter those of the other', async () => {
    const others = new LocalLocks();
    const otherSections = new LockSections(others);

    await withLock('a', (lock) =>
      otherSections.run(request('a'), async (other) => {
        expect(other).not.toBe(lock);
        expect(currentLock()).toBe(other);
        expect(await withLock('a', () => currentLock())).toBe(lock);
        await expect(sections.acquire(request('a'))).rejects.toThrow(LockNestedError);
      }),
    );
    await withLock('a', async () => {
      await (await otherSections.acquire(request('a'))).release();
    });

    expect([locks.asked, others.asked]).toEqual([
      ['a', 'a'],
      ['a', 'a'],
    ]);
  });
});

describe('What a lock starts for itself', () => {
  it('is not part of the section that has asked for it', async () => {
    const seen: unknown[] = [];
    const look = (): void => {
      try {
        seen.push(currentLock().key);
      } catch (error) {
        seen.push(error);
      }
    };
    class Watched extends LocalLocks {
      override async acquire(asked: LockRequest): Promise<never> {
        look();
        const lock: HeldLock = await super.acquire(asked);
        const release = lock.release.bind(lock);
        lock.release = (options) => {
          look();
          return release(options);
        };
        return lock as never;
      }
    }
    sections = new LockSections(new Watched());

    await withLock('a', async () => {
      await withLock('b', () => undefined);
      await (
        await sections.acquire(request('c'))
      ).key;
    });

    expect(seen).toHaveLength(5);
    expect(seen).toEqual(seen.map(() => expect.any(LockNotHeldError)));
  });
});
