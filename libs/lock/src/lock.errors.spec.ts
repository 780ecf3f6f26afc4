import { describe, expect, it } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import {
  LockAbortedError,
  LockBusyError,
  LockExpiredError,
  LockForcedError,
  LockNestedError,
  LockReleasedError,
  LockStolenError,
  LockUnreachableError,
} from './lock.errors.js';

const holder = { id: 'api-3/7/ab:1', host: 'api-3', pid: 7, token: 1n };
const SHA = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

function refused(message: string): string {
  const cause = Object.assign(new Error(message), { name: 'ReplyError' });
  return new LockUnreachableError('k', { cause }).message;
}

describe('LockBusyError', () => {
  it('says who holds the lock, for how long, and who is ahead', () => {
    const details = { waitedMs: 2_000, holder, remainingMs: 14_200, position: 3 };
    expect(new LockBusyError('orders:42', details).message).toBe(
      'Lock "orders:42" was not acquired within 2s: held by api-3 (pid 7) for 14.2s more unless renewed, 2 ahead in the queue. ' +
        'Raise "wait", or shorten the critical section.',
    );
  });

  it('says so when it is this process that holds it', () => {
    expect(new LockBusyError('k', { waitedMs: 0, holder, heldHere: true, position: 0 }).message).toContain(
      'Lock "k" is taken: held by this process (pid 7).',
    );
    expect(new LockBusyError('k', { waitedMs: 5, heldHere: true, position: 1 }).message).toContain(
      `held by this process (pid ${process.pid}).`,
    );
  });

  it('says that nobody may hold it for now', () => {
    const { message } = new LockBusyError('scheduled:a', { waitedMs: 0, position: 0 }, 'job');
    expect(message).toMatch(
      /^Lock of job "scheduled:a" is not granted: nobody may hold it for now\. .*"lockDelay".*"atLeastFor"/,
    );
  });
});

describe('LockUnreachableError', () => {
  it('names what decides how long Redis is waited for', () => {
    const cause = new RedisTimeoutError('default', 'acquire', 1_000, 'unknown');
    const { message } = new LockUnreachableError('k', { cause });

    expect(message).toBe(
      'Redis connection "default" did not answer about lock "k" within 1000ms. ' +
        'Raise "redisTimeout" of LockModule, or look at the slowlog of the server.',
    );
    expect(message).not.toContain('commandTimeout');
  });

  it('says why Redis cannot be reached', () => {
    const cause = new RedisUnreachableError('default', 'connect ECONNREFUSED', 'not-executed');
    expect(new LockUnreachableError('k', { cause }).message).toContain('about lock "k": Redis connection "default" is');
    expect(new LockUnreachableError('k', { cause: 'gone' }).message).toContain('about lock "k": gone');
  });

  const OTHER_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
  it.each([
    [`${OTHER_TYPE} script: ${SHA}, on @user_script:12.`, `${OTHER_TYPE}. `, 'something that is no lock'],
    [
      `ERR Error running script (call to f_${SHA}): @user_script:12: ${OTHER_TYPE}`,
      OTHER_TYPE,
      'something that is no lock',
    ],
    [
      `ERR user_script:34: attempt to compare nil with number script: ${SHA}, on @user_script:34.`,
      'ERR attempt to compare nil with number. ',
      'something that is no lock',
    ],
    [
      `OOM command not allowed when used memory > 'maxmemory'. script: ${SHA}, on @user_script:9.`,
      "'maxmemory'. Redis is full",
      'raise "maxmemory"',
    ],
    [`ERR the key holds a list that is no lock script: ${SHA}, on @user_script:9.`, 'no lock. Its key', 'delete it'],
    [`NOPERM No permissions to access a key script: ${SHA}, on @user_script:3.`, 'a key. Give', 'docs/lock.md'],
    [
      `ERR The user executing the script can't run this command or subcommand script: ${SHA}, on @user_script:3.`,
      'subcommand. Give',
      'docs/lock.md',
    ],
    ["READONLY You can't write against a read only replica.", 'replica. It takes', 'no writes for now'],
    ['LOADING Redis is loading the dataset in memory', 'memory. It serves', 'Try again later'],
    ['ERR something new', 'ERR something new. ', 'See the cause.'],
  ])('names what Redis answered, without the script, and what to do: %s', (reply, answer, fix) => {
    const message = refused(reply);

    expect(message).toMatch(/^Redis refused what was asked about lock "k": /);
    expect(message).toContain(answer);
    expect(message).toContain(fix);
    expect(message).not.toMatch(/script:|f_[0-9a-f]|[0-9a-f]{40}/);
  });
});

describe('What has become of a lock', () => {
  it.each([
    [
      new LockExpiredError('k', 1n, 'it could not be renewed.', 'semaphore'),
      'Semaphore "k" is not held any more: it could',
    ],
    [new LockStolenError('k', 1n, 'read-write'), 'Read-write lock "k" was granted to somebody else'],
    [new LockForcedError('k', 1n, 'election'), 'Lock of election "k" was taken away by an operator'],
  ])('is said with what to do: %s', (error, message) => {
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/ Stop what it guards, and begin anew with a new lock\.$/);
  });

  it('is said of the kind that it is', () => {
    expect(new LockReleasedError('k', 1n, 'job').message).toMatch(/^Lock of job "k" was released before\./);
    expect(new LockNestedError('k', false, 'read-write').message).toMatch(/^Read-write lock "k" is asked .*write\(\)/);
    expect(new LockNestedError('k', true, 'semaphore').message).toMatch(/^Semaphore "k" is held by a section/);
  });
});

describe('LockAbortedError', () => {
  it('says why, and that nothing is held', () => {
    const cause = new Error('The application shuts down.');
    expect(new LockAbortedError('k', { cause }).message).toBe(
      'The wait for lock "k" was aborted by its signal or the shutdown: The application shuts down. Nothing is held. ' +
        'Ask again if it is still wanted, with a signal that has not aborted.',
    );
    expect(new LockAbortedError('k', { cause: 'why not' }, 'semaphore').message).toMatch(
      /^The wait for semaphore "k" was aborted by its signal or the shutdown\. Nothing/,
    );
  });
});
