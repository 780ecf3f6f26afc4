import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { LockRequest } from '../lock-request.js';
import type { LockSource } from '../lock-source.js';
import {
  LockAbortedError,
  LockBusyError,
  LockCallError,
  LockExpiredError,
  LockReleasedError,
  LockUnreachableError,
} from '../lock.errors.js';
import type { Lock, ReleaseOutcome } from '../lock.js';
import { resolveLockOptions } from '../lock.options.js';
import type { Election, ElectionHandlers } from './election.js';
import type { ElectionOptions } from './election.options.js';
import { Elections } from './elections.js';

interface Waiter {
  readonly request: LockRequest;
  grant(lock: FakeLock): void;
  fail(error: unknown): void;
}

class FakeLock implements Lock {
  readonly key = 'reports';
  readonly keys = ['reports'];
  readonly #abort = new AbortController();
  validMs = 30_000;

  constructor(
    readonly token: bigint,
    private readonly line: FakeLine,
  ) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  validForMs(): number {
    return this.signal.aborted ? 0 : this.validMs;
  }

  assertHeld(): void {
    this.signal.throwIfAborted();
  }

  async extend(): Promise<void> {}

  async release(): Promise<ReleaseOutcome> {
    this.#abort.abort(new LockReleasedError('reports', this.token));
    await this.line.whenTold();
    this.line.free(this);
    return 'released';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  lose(reason: Error = new LockExpiredError('reports', this.token, 'Redis is away.')): void {
    this.#abort.abort(reason);
    this.line.free(this);
  }
}

/** Grants in the order of arrival, as Redis would. */
class FakeLine implements LockSource<Lock> {
  readonly options = resolveLockOptions({});
  readonly root = 'app:lock:';
  readonly requests: LockRequest[] = [];
  readonly waiting: Waiter[] = [];
  held: FakeLock | undefined;
  /** What the next attempts fail with. */
  failures: unknown[] = [];
  /** When it hears of a release, or of who leaves. */
  whenTold: () => Promise<void> = async () => undefined;
  #tokens = 0n;

  acquire(request: LockRequest): Promise<Lock> {
    this.requests.push(request);
    if (this.failures.length > 0) return Promise.reject(this.failures.shift());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        const error = new LockAbortedError('reports', { cause: request.signal!.reason });
        void this.whenTold().then(() => waiter.fail(error));
      };
      const over = (): void => {
        request.signal!.removeEventListener('abort', leave);
        if (this.waiting.includes(waiter)) this.waiting.splice(this.waiting.indexOf(waiter), 1);
      };
      const waiter: Waiter = {
        request,
        grant: (lock) => (over(), resolve(lock)),
        fail: (error) => (over(), reject(error)),
      };
      if (request.signal!.aborted) return reject(new LockAbortedError('reports', { cause: request.signal!.reason }));
      request.signal!.addEventListener('abort', leave);
      this.waiting.push(waiter);
      this.#grantNext();
    });
  }

  free(lock: FakeLock): void {
    if (this.held !== lock) return;
    this.held = undefined;
    this.#grantNext();
  }

  #grantNext(): void {
    if (this.held || this.waiting.length === 0) return;
    this.held = new FakeLock(++this.#tokens, this);
    this.waiting[0]!.grant(this.held);
  }
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
};

describe('An election', () => {
  let line: FakeLine;
  let logs: string[];
  let elections: Elections;

  beforeEach(() => {
    jest.useFakeTimers();
    line = new FakeLine();
    logs = [];
    elections = new Elections(line, {
      warn: (message: unknown) => logs.push(`warn ${String(message)}`),
      error: (message: unknown) => logs.push(`error ${String(message)}`),
    });
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await elections.close();
    jest.useRealTimers();
  });

  const quiet: ElectionHandlers = { onElected: () => undefined };
  /** A candidate that notes what it is told. */
  const candidate = (name: string, told: string[], options?: ElectionOptions): Election =>
    elections.elect(
      'reports',
      {
        onElected: (lock) => void told.push(`${name} leads ${lock.token}`),
        onLost: (reason) => void told.push(`${name} lost: ${(reason as { code: string }).code}`),
      },
      options,
    );

  it('is won by the first candidate; the others wait in line', async () => {
    const told: string[] = [];
    const one = candidate('one', told);
    const two = candidate('two', told);
    expect([one.isLeader, one.token]).toEqual([false, undefined]);

    await settled();

    expect(told).toEqual(['one leads 1']);
    expect([one.isLeader, one.token]).toEqual([true, 1n]);
    expect([two.isLeader, two.token]).toEqual([false, undefined]);
    expect(line.waiting).toHaveLength(1);
  });

  it('asks for one lock, by a key of its own kind, for as long as it lasts', async () => {
    candidate('one', [], { ttl: '15s', lockDelay: '2s' });
    candidate('two', [], { maxHold: '5m' });
    candidate('three', []);
    await settled();

    const targets = [{ kind: 'election', label: 'reports', key: 'app:lock:election:{reports}', permits: 1, weight: 1 }];
    expect(line.requests).toMatchObject([
      { targets, ttlMs: 15_000, delayMs: 2_000, maxHoldMs: Number.POSITIVE_INFINITY, fair: true },
      { targets, ttlMs: 30_000, delayMs: 0, maxHoldMs: 300_000 },
      { targets, ttlMs: 30_000, delayMs: 0, maxHoldMs: Number.POSITIVE_INFINITY },
    ]);
    for (const { waitMs } of line.requests) expect(waitMs).toBeGreaterThanOrEqual(600_000);
  });

  it('tells nobody before it has returned the candidate', async () => {
    let seen: Election | undefined;
    const election: Election = elections.elect('reports', { onElected: () => void (seen = election) });

    await settled();

    expect(seen).toBe(election);
  });

  it('who resigns goes behind all others', async () => {
    const told: string[] = [];
    const one = candidate('one', told);
    const two = candidate('two', told);
    candidate('three', told);
    await settled();

    await one.resign();
    await settled();
    await two.resign();
    await settled();

    expect(told).toEqual([
      'one leads 1',
      'one lost: LOCK_RELEASED',
      'two leads 2',
      'two lost: LOCK_RELEASED',
      'three leads 3',
    ]);
    expect(line.waiting).toHaveLength(2);
  });

  it('a resignation of who does not lead changes nothing', async () => {
    const one = candidate('one', []);
    const two = candidate('two', []);
    await settled();

    await two.resign();

    expect([one.isLeader, two.isLeader, line.waiting.length]).toEqual([true, false, 1]);
  });

  it('is lost at the moment when the signal aborts, and is fought for again', async () => {
    const told: string[] = [];
    const one = candidate('one', told);
    candidate('two', told);
    await settled();

    line.held!.lose();
    expect(told).toEqual(['one leads 1', 'one lost: LOCK_EXPIRED']);
    expect(one.isLeader).toBe(false);
    await settled();

    expect(told.slice(2)).toEqual(['two leads 2']);
    line.held!.lose();
    await settled();
    expect(told.slice(3)).toEqual(['two lost: LOCK_EXPIRED', 'one leads 3']);
  });

  it('does not release what was lost, which would end the lock delay', async () => {
    candidate('one', []);
    await settled();
    const lock = line.held!;
    const release = jest.spyOn(lock, 'release');

    lock.lose();
    await settled();

    expect(release).not.toHaveBeenCalled();
  });

  it('knows that it was lost, though no timer has run yet', async () => {
    const one = candidate('one', []);
    await settled();

    line.held!.validMs = 0;

    expect([one.isLeader, one.token]).toEqual([false, undefined]);
  });

  it('that was lost before anybody was told is told to nobody', async () => {
    const told: string[] = [];
    line.acquire = jest.fn(FakeLine.prototype.acquire).mockImplementationOnce(async () => {
      const lock = new FakeLock(7n, line);
      lock.lose();
      return lock;
    });

    candidate('one', told);
    await settled();
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(100);

    expect(told).toEqual(['one leads 1']);
  });

  it('is tried again, at growing distances, while Redis is away, and says so once', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const away = (): LockUnreachableError => new LockUnreachableError('reports', { cause: new Error('no route') });
    line.failures = Array.from({ length: 9 }, away);
    const one = candidate('one', []);
    const attempts: number[] = [];
    for (let second = 0; second <= 30; second++) {
      attempts.push(line.requests.length);
      await jest.advanceTimersByTimeAsync(1_000);
    }

    // At 0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 11.3, 16.3 and 21.3 seconds.
    expect(attempts.slice(1, 23)).toEqual([4, 5, 5, 6, 6, 6, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 10]);
    expect(one.isLeader).toBe(true);
    expect(logs).toEqual([expect.stringMatching(/^warn Election "reports" .*: .*no route/)]);

    line.failures = [away()];
    line.held!.lose();
    await settled();
    expect(line.requests).toHaveLength(11);
    await jest.advanceTimersByTimeAsync(100);
    expect(one.isLeader).toBe(true);
    expect(logs).toHaveLength(2);
  });

  it('goes on when a wait was too long, or fails as nobody has foreseen', async () => {
    line.failures = [
      new LockBusyError('reports', { waitedMs: 3_600_000, position: 2 }),
      new Error('OOM command not allowed'),
      new LockBusyError('reports', { waitedMs: 3_600_000, position: 1 }),
    ];
    const one = candidate('one', []);

    await jest.advanceTimersByTimeAsync(400);

    expect(one.isLeader).toBe(true);
    expect(logs).toEqual([expect.stringContaining('OOM command not allowed')]);
  });

  it('logs what its handlers throw, and stays as it is', async () => {
    const one = elections.elect('reports', {
      onElected: () => {
        throw new Error('cannot lead');
      },
      onLost: async () => {
        throw new Error('cannot stop');
      },
    });
    await settled();
    expect(one.isLeader).toBe(true);
    expect(logs).toEqual([expect.stringContaining('onElected() of election "reports" failed: Error: cannot lead')]);

    line.held!.lose();
    await settled();

    expect(logs[1]).toContain('onLost() of election "reports" failed: Error: cannot stop');
    expect([one.isLeader, one.token]).toEqual([true, 2n]);
  });

  it('does not wait for a leader that never ends its work', async () => {
    const signals: AbortSignal[] = [];
    elections.elect('reports', {
      onElected: ({ signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await settled();
    line.held!.lose();
    await settled();

    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it('has no candidate that has not yet ended what it did as a leader', async () => {
    let stopped: () => void = () => undefined;
    const onLost = jest.fn(() => new Promise<void>((resolve) => (stopped = resolve)));
    const one = elections.elect('reports', { onElected: () => undefined, onLost });
    await settled();

    line.held!.lose();
    await settled();
    expect(onLost).toHaveBeenCalledTimes(1);
    expect([one.isLeader, line.requests.length]).toEqual([false, 1]);

    stopped();
    await settled();
    expect([one.isLeader, line.requests.length]).toEqual([true, 2]);
  });

  it('ends by close(): a leader stops to lead, and is no candidate again', async () => {
    const told: string[] = [];
    const one = candidate('one', told);
    const two = candidate('two', told);
    await settled();

    await one.close();
    expect(told).toEqual(['one leads 1', 'one lost: LOCK_RELEASED', 'two leads 2']);
    await one.close();
    await two.resign();
    await jest.advanceTimersByTimeAsync(60_000);

    expect(told.slice(3)).toEqual(['two lost: LOCK_RELEASED', 'two leads 3']);
    expect([one.isLeader, two.isLeader, line.requests.length]).toEqual([false, true, 3]);
  });

  it('ends by close(): who waits has left the line, and nothing is told', async () => {
    const told: string[] = [];
    candidate('one', told);
    const two = candidate('two', told);
    await settled();

    await two.close();

    expect(line.waiting).toEqual([]);
    expect(told).toEqual(['one leads 1']);
    expect(logs).toEqual([]);
  });

  it('ends by close(), also between two attempts', async () => {
    line.failures = [new LockUnreachableError('reports', { cause: 'away' })];
    const one = candidate('one', []);
    await settled();

    await one.close();
    await settled();

    expect(jest.getTimerCount()).toBe(0);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(line.requests).toHaveLength(1);
  });

  it('that is closed at any moment of being won tells nobody, or tells of its end too, and releases the lock', async () => {
    const ends = new Set<string>();
    for (let turns = 0; turns < 12; turns++) {
      const told: string[] = [];
      const one = candidate('one', told);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();

      await one.close();
      await settled();

      expect(line.held).toBeUndefined();
      expect(line.waiting).toEqual([]);
      expect(one.isLeader).toBe(false);
      ends.add(told.map((line) => line.replace(/\d+/, 'n')).join(', '));
    }
    expect([...ends]).toEqual(['', 'one leads n, one lost: LOCK_RELEASED']);
  });

  it('can be closed and resigned by its handlers', async () => {
    const told: string[] = [];
    const one: Election = elections.elect('reports', {
      onElected: async ({ token }) => {
        told.push(`leads ${token}`);
        await one.resign();
        told.push(`resigned ${token}`);
      },
      onLost: async () => {
        if (line.requests.length === 2) await one.close();
        told.push('lost');
      },
    });

    await settled();
    await jest.advanceTimersByTimeAsync(1_000);

    expect(told.filter((line) => line !== 'lost')).toEqual(['leads 1', 'resigned 1', 'leads 2', 'resigned 2']);
    expect(told.filter((line) => line === 'lost')).toHaveLength(2);
    expect(line.requests).toHaveLength(2);
  });

  it('waits for Redis to be told before it resigns, and before it is closed', async () => {
    let told = false;
    line.whenTold = async () => {
      await settled();
      told = true;
    };
    const one = candidate('one', []);
    await settled();

    await one.resign();
    expect(told).toBe(true);
    await settled();
    const two = candidate('two', []);
    await settled();
    for (const election of [two, one]) {
      told = false;
      await election.close();
      expect(told).toBe(true);
    }
  });

  it('ends when the application shuts down', async () => {
    line.failures = [new LockAbortedError('reports', { cause: new Error('the application shuts down') })];
    const one = candidate('one', []);

    await jest.advanceTimersByTimeAsync(60_000);

    expect(line.requests).toHaveLength(1);
    expect([one.isLeader, logs.length]).toEqual([false, 0]);
  });

  it('that is closed is forgotten', async () => {
    const one = candidate('one', []);
    await one.close();
    const close = jest.spyOn(one, 'close');

    await elections.close();

    expect(close).not.toHaveBeenCalled();
  });

  it('leaves every line with its application', async () => {
    const told: string[] = [];
    candidate('one', told);
    candidate('two', told);
    await settled();

    await elections.close();
    await settled();

    expect(told).not.toContain('two leads 2');
    expect([line.held, line.waiting.length]).toEqual([undefined, 0]);
  });

  it('never has two leaders whose signals have not aborted, whatever happens when', async () => {
    const event = fc.constantFrom('lose', 'resign', 'close', 'away', 'turn', 'turns', 'time', 'new');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(event, fc.nat(3)), { maxLength: 40 }), async (events) => {
        const line = new FakeLine();
        const group = new Elections(line, { warn: () => undefined, error: () => undefined });
        const candidates: Election[] = [];
        const leading: (Lock | undefined)[] = [];
        const closed = new Set<number>();
        const enter = (): void => {
          const at = candidates.length;
          const election = group.elect('reports', {
            onElected: (lock) => {
              expect(leading.filter((other) => other && !other.signal.aborted)).toEqual([]);
              expect([leading[at], closed.has(at), lock.signal.aborted]).toEqual([undefined, false, false]);
              leading[at] = lock;
            },
            onLost: () => {
              expect(leading[at]?.signal.aborted).toBe(true);
              leading[at] = undefined;
            },
          });
          candidates.push(election);
        };
        enter();
        enter();
        for (const [name, which] of events) {
          const chosen = which % candidates.length;
          if (name === 'new') enter();
          if (name === 'lose') line.held?.lose();
          if (name === 'resign') void candidates[chosen]!.resign();
          if (name === 'close') {
            closed.add(chosen);
            void candidates[chosen]!.close();
          }
          if (name === 'away') line.failures.push(new LockUnreachableError('reports', { cause: 'away' }));
          if (name === 'turn') await Promise.resolve();
          if (name === 'turns') await settled();
          if (name === 'time') await jest.advanceTimersByTimeAsync(10_000);
          expect(candidates.filter(({ isLeader }) => isLeader).length).toBeLessThan(2);
        }
        line.failures = [];
        await jest.advanceTimersByTimeAsync(10_000);
        expect(candidates.filter(({ isLeader }) => isLeader)).toHaveLength(closed.size < candidates.length ? 1 : 0);
        await group.close();
        await settled();
        expect([line.held, line.waiting.length, leading.filter(Boolean)]).toEqual([undefined, 0, []]);
      }),
    );
  });

  it.each(['wait', 'fair', 'signal'])('refuses the option %s', (option) => {
    expect(() => elections.elect('reports', quiet, { [option]: '1s' })).toThrow(
      new LockCallError(
        `options.${option} means nothing to an election, which waits in line until close(). Leave it out.`,
      ),
    );
  });

  it.each([{ ttl: '1s' }, { ttl: 30 }, { unknown: true }, null, { ttl: '1m', maxHold: '30s' }])(
    'refuses the options %p',
    (options) => {
      expect(() => elections.elect('reports', quiet, options as ElectionOptions)).toThrow(LockCallError);
    },
  );

  it('may have a longer ttl than the module would hold a lock', () => {
    expect(() => elections.elect('reports', quiet, { ttl: '2h' })).not.toThrow();
  });

  it.each([undefined, null, {}, { onElected: 'no function' }])('refuses the handlers %p', (handlers) => {
    expect(() => elections.elect('reports', handlers as ElectionHandlers)).toThrow(LockCallError);
  });

  it('needs a name', () => {
    expect(() => elections.elect('', quiet)).toThrow(LockCallError);
  });
});
