import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Logger, type Type } from '@nestjs/common';
import { Cron, Interval, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule } from '@nuthatch/redis';
import {
  LockAbortedError,
  LockBusyError,
  LockCallError,
  LockExpiredError,
  LockUnreachableError,
} from '../lock.errors.js';
import { LockModule } from '../lock.module.js';
import { resolveKeys } from '../resolve-keys.js';
import { assertLocked, currentLock } from '../sections/current-lock.js';
import { gate, settled } from '../sections/fixtures/gate.js';
import { LocalLocks } from '../sections/fixtures/local-locks.js';
import { LockSections } from '../sections/lock-sections.js';
import { ScheduledLock } from './scheduled-lock.decorator.js';
import type { ScheduledLockOptions } from './scheduled-lock.options.js';

let locks: LocalLocks;
let apps: TestingModule[];
let logged: string[];

beforeEach(() => {
  locks = new LocalLocks();
  apps = [];
  logged = [];
  for (const level of ['debug', 'warn', 'error'] as const) {
    jest
      .spyOn(Logger.prototype, level)
      .mockImplementation((message: unknown) => void logged.push(`${level}: ${message}`));
  }
});

afterEach(async () => {
  await Promise.all(apps.map((app) => app.close()));
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** One instance of the application, on the locks that all share. */
async function start<T>(jobs: Type<T>): Promise<{ jobs: T; registry: SchedulerRegistry }> {
  const app = await Test.createTestingModule({
    imports: [ScheduleModule.forRoot()],
    providers: [jobs, { provide: LockSections, useValue: new LockSections(locks) }],
  }).compile();
  apps.push(app);
  await app.init();
  return { jobs: app.get(jobs), registry: app.get(SchedulerRegistry) };
}

let runs: string[];
let open: ReturnType<typeof gate>;

beforeEach(() => {
  runs = [];
  open = gate();
});

@Injectable()
class Reports {
  @Cron('0 2 * * *', { name: 'above', waitForCompletion: true })
  @ScheduledLock('above', { atMostFor: '10m' })
  async above(): Promise<void> {
    runs.push(currentLock().key);
    await open.passed;
  }

  @ScheduledLock('below', { atMostFor: '10s', atLeastFor: '2s' })
  @Cron('0 3 * * *', { name: 'below', waitForCompletion: true })
  async below(): Promise<void> {
    assertLocked('scheduled:below');
    runs.push('below');
  }

  @ScheduledLock('manual', { atMostFor: '1h' })
  async manual(answer: string, failure?: Error): Promise<string | undefined> {
    if (failure) throw failure;
    return answer;
  }
}

describe('A scheduled job with a lock', () => {
  it.each(['above', 'below'])('runs beside @Cron, with @Cron %s', async (name) => {
    open.open();
    const { registry } = await start(Reports);

    await registry.getCronJob(name).fireOnTick();

    expect(runs).toEqual([name === 'above' ? 'scheduled:above' : 'below']);
    expect(locks.requests[0]!.targets).toEqual([
      { kind: 'job', label: `scheduled:${name}`, key: `spec:lock:scheduled:{${name}}`, permits: 1, weight: 1 },
    ]);
  });

  it('runs beside @Interval', async () => {
    jest.useFakeTimers();
    @Injectable()
    class Beats {
      @Interval(1_000)
      @ScheduledLock('beat', { atMostFor: '10m' })
      async beat(): Promise<void> {
        runs.push('beat');
      }
    }
    await start(Beats);

    await jest.advanceTimersByTimeAsync(2_000);

    expect(runs).toEqual(['beat', 'beat']);
    expect(locks.released).toHaveLength(2);
  });

  it('runs in one of several instances, and is skipped in the others', async () => {
    const instances = await Promise.all([start(Reports), start(Reports), start(Reports)]);

    const ticks = instances.map(({ registry }) => registry.getCronJob('above').fireOnTick());
    await settled();
    open.open();
    await Promise.all(ticks);

    expect(runs).toEqual(['scheduled:above']);
    expect(logged).toEqual(Array(2).fill('debug: Job "above" is skipped here: it runs elsewhere.'));
    expect(locks.requests.map(({ waitMs }) => waitMs)).toEqual([0, 0, 0]);
  });

  it('resolves to undefined when it is skipped, else to what the method returns', async () => {
    const [one, other] = [await start(Reports), await start(Reports)];
    expect(await one.jobs.manual('done')).toBe('done');
    const { targets } = locks.requests[0]!;
    await locks.acquire({ ...locks.options, targets });

    expect(await other.jobs.manual('done')).toBeUndefined();
  });

  it('is renewed by the ttl of the module for at most as long as it may take', async () => {
    const { jobs } = await start(Reports);
    open.open();

    await jobs.above();
    await jobs.below();

    expect(locks.requests).toMatchObject([
      { ttlMs: 30_000, maxHoldMs: 600_000 },
      { ttlMs: 10_000, maxHoldMs: 10_000 },
    ]);
  });

  it('keeps others from running for its least time, also when it fails', async () => {
    @Injectable()
    class Failing {
      @ScheduledLock('failing', { atMostFor: '1m', atLeastFor: '30s' })
      async run(): Promise<void> {
        throw new RangeError('full');
      }
    }

    await (await start(Reports)).jobs.below();
    await expect((await start(Failing)).jobs.run()).rejects.toThrow(new RangeError('full'));
    await (await start(Reports)).jobs.manual('done');

    expect(locks.released.map(({ keepMs }) => keepMs)).toEqual([2_000, 30_000, undefined]);
  });

  it('says that it may have run lately when it has a least time', async () => {
    locks.failure.acquire = new LockBusyError('scheduled:below', { waitedMs: 0, position: 0 });

    await (await start(Reports)).jobs.below();

    expect(logged).toEqual(['debug: Job "below" is skipped here: it runs elsewhere, or began less than 2000ms ago.']);
  });

  it('does not run while Redis cannot be asked, which is logged and does not reach the scheduler', async () => {
    locks.failure.acquire = new LockUnreachableError('scheduled:below', { cause: new Error('down') });

    await (await start(Reports)).registry.getCronJob('below').fireOnTick();

    expect(runs).toEqual([]);
    expect(logged).toEqual([expect.stringMatching(/^error: Job "below" does not run here.*: down$/)]);
  });

  it('does not run while the application shuts down', async () => {
    locks.failure.acquire = new LockAbortedError('scheduled:manual', { cause: new Error('shutdown') });

    expect(await (await start(Reports)).jobs.manual('done')).toBeUndefined();
    expect(logged).toEqual(['debug: Job "manual" is skipped here: the application shuts down.']);
  });

  it('throws what its method throws, also errors of other locks', async () => {
    const { jobs } = await start(Reports);
    const errors = [
      new RangeError('full'),
      new LockBusyError('other', { waitedMs: 0, position: 0 }),
      new LockUnreachableError('other', { cause: new Error('down') }),
    ];

    for (const error of errors) await expect(jobs.manual('done', error)).rejects.toThrow(error);
    expect(logged).toEqual([]);
  });

  it('rejects when it took longer than it may, as others may have run it meanwhile', async () => {
    const loss = new LockExpiredError('scheduled:slow', 1n, 'maxHold is over.');
    @Injectable()
    class Slow {
      @ScheduledLock('slow', { atMostFor: '1m' })
      async run(): Promise<void> {
        locks.held[0]!.lose(loss);
      }
    }

    await expect((await start(Slow)).jobs.run()).rejects.toThrow(loss);
  });

  it('shares its name with no other lock, whatever that is called', async () => {
    const { jobs } = await start(Reports);
    for (const key of ['manual', 'scheduled:manual', 'scheduled:{manual}', '{scheduled:manual}']) {
      await locks.acquire({ ...locks.options, targets: resolveKeys(locks.root, key) });
    }

    expect(await jobs.manual('done')).toBe('done');
  });
});

describe('A scheduled job in an application with LockModule', () => {
  it('does not run again before its least time is over, though it has ended', async () => {
    const app = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), LockModule.forRoot()],
      providers: [Reports],
    }).compile();
    apps.push(app);
    await app.init();
    const jobs = app.get(Reports);

    await jobs.below();
    await jobs.below();
    expect(await jobs.manual('one')).toBe('one');
    expect(await jobs.manual('two')).toBe('two');

    expect(runs).toEqual(['below']);
    expect(logged).toEqual([expect.stringContaining('Job "below" is skipped here')]);
  });
});

describe('The options of a scheduled lock', () => {
  it.each<[object, string]>([
    [{}, 'options.atMostFor is missing.'],
    [undefined as never, 'options is missing.'],
    [{ atMostFor: 60 }, "options.atMostFor is 60. Write the unit: '60ms'"],
    [{ atMostFor: '1m', atLeastFor: '-1s' }, 'options.atLeastFor is "-1s"'],
    [{ atMostFor: '1m', atLeastFor: '2m' }, "options.atLeastFor is '2m', more than the '1m' of atMostFor."],
    [{ atMostFor: '1m', wait: '1s' }, 'options.wait is not an option'],
  ])('are checked where the class is written: %j', (options, message) => {
    const decorate = () => ScheduledLock('job', options as ScheduledLockOptions);

    expect(decorate).toThrow(LockCallError);
    expect(decorate).toThrow(message);
  });

  it('need a name', () => {
    expect(() => ScheduledLock('', { atMostFor: '1m' })).toThrow(LockCallError);
  });

  it('may have the least time be as long as the most', () => {
    expect(() => ScheduledLock('job', { atMostFor: '1m', atLeastFor: '1m' })).not.toThrow();
  });

  it('are refused by a call when a job may take less time than the shortest ttl of the module', async () => {
    @Injectable()
    class Quick {
      @ScheduledLock('quick', { atMostFor: '3s' })
      async run(): Promise<number | undefined> {
        return 1;
      }
    }
    expect(await (await start(Quick)).jobs.run()).toBe(1);
    locks = new LocalLocks({ redisTimeout: '1001ms' });

    await expect((await start(Quick)).jobs.run()).rejects.toThrow(
      `options.atMostFor of job "quick" is '3s', less than 3 times "redisTimeout" (1001ms): one slow answer of Redis would end the lock. Use '3003ms' or more`,
    );
  });

  it('are checked by the compiler', () => {
    class Checked {
      // @ts-expect-error A call that is skipped resolves to undefined.
      @ScheduledLock('job', { atMostFor: '1m' })
      async count(): Promise<number> {
        return 1;
      }
    }

    expect(Checked.prototype).toBeDefined();
  });
});
