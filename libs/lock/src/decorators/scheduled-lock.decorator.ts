import { Logger } from '@nestjs/common';
import type { MethodCall } from '@nuthatch/redis/internal';
import { lockKey } from '../lock-key.js';
import { requestFor, type LockTarget } from '../lock-request.js';
import { LockAbortedError, LockBusyError, LockUnreachableError } from '../lock.errors.js';
import { quote } from '../quote.js';
import type { LockSections } from '../sections/lock-sections.js';
import { aroundLockedMethod } from './around-locked-method.js';
import type { SkippableMethodDecorator } from './locked-method.js';
import { runLocked } from './run-locked.js';
import { jobOptions, resolveScheduledLock, type ScheduledLockOptions } from './scheduled-lock.options.js';

/**
 * Lets a job that every instance schedules run in one of them: beside `@Cron`, `@Interval` or `@Timeout` of @nestjs/schedule, in either
 * order, or on any async method that is called at a time. A call does not wait. When the job runs elsewhere, or began less than
 * `atLeastFor` ago, or Redis cannot be asked, it resolves to undefined, and says so in the log; it does not throw into whatever
 * has scheduled it. What the job throws is thrown, as is the LockLostError of one that was not alone until its end.
 *
 * Within it, `currentLock()` is the lock. Stop at the abort of its signal, after which the job may run elsewhere.
 *
 * @example
 * ```ts
 * @Cron('0 2 * * *')
 * @ScheduledLock('nightly-report', { atMostFor: '30m', atLeastFor: '1m' })
 * async report(): Promise<void> {
 *   await this.reports.send({ signal: currentLock().signal });
 * }
 * ```
 * @param name of the job, the same in all instances; jobs do not share names with other locks
 * @throws LockCallError for wrong options or no name. At boot a LockOptionsError, for an `atMostFor` too short for the `redisTimeout` of
 *   the module
 */
export function ScheduledLock(name: string, options: ScheduledLockOptions): SkippableMethodDecorator<unknown[]> {
  lockKey('', name);
  const job = resolveScheduledLock(options);
  const logger = new Logger('ScheduledLock');
  const quoted = quote(name);
  const refused = (error: unknown): undefined => {
    if (error instanceof LockBusyError) {
      const lately = job.atLeastMs > 0 ? `, or began less than ${job.atLeastMs}ms ago` : '';
      logger.debug(`Job ${quoted} is skipped here: it runs elsewhere${lately}.`);
    } else if (error instanceof LockAbortedError) {
      logger.debug(`Job ${quoted} is skipped here: the application shuts down.`);
    } else if (error instanceof LockUnreachableError) {
      logger.error(`Job ${quoted} does not run here, as it may run elsewhere. ${error.message}`);
    } else {
      throw error;
    }
  };
  const run = (sections: LockSections, call: MethodCall): Promise<unknown> => {
    const target: LockTarget = {
      kind: 'job',
      label: `scheduled:${name}`,
      key: lockKey(`${sections.root}scheduled:`, name),
      permits: 1,
      weight: 1,
    };
    const request = requestFor([target], jobOptions(name, job, sections.options));
    return runLocked(sections, request, call, refused, job.atLeastMs > 0 ? { keepMs: job.atLeastMs } : {});
  };
  return aroundLockedMethod(run, '@ScheduledLock()', (module) => void jobOptions(name, job, module));
}
