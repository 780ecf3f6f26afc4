import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { isErrorReply, isOutage, RedisTrouble } from './redis-trouble.js';

const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });

afterEach(() => {
  jest.restoreAllMocks();
});

describe('The trouble of Redis', () => {
  it.each([
    ['it cannot be reached', new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed'), true, false],
    ['it does not answer', new RedisTimeoutError('default', 'get', 45, 'unknown'), true, false],
    ['it refuses', reply('OOM command not allowed'), false, true],
  ])('is known: %s', (_, error, outage, refusal) => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);

    expect(new RedisTrouble().isCause(error)).toBe(true);
    expect(isOutage(error)).toBe(outage);
    expect(isErrorReply(error)).toBe(refusal);
  });

  it.each([new TypeError('a bug'), new Error('database away'), 'a string', undefined])(
    'is not the cause of all errors: %p',
    (error) => {
      expect(new RedisTrouble().isCause(error)).toBe(false);
    },
  );

  it('is reported once for each kind of refusal, and not at all when Redis is away, which the connection reports', () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const trouble = new RedisTrouble();

    trouble.isCause(reply('OOM command not allowed'));
    trouble.isCause(reply('OOM command not allowed'));
    trouble.isCause(reply('NOPERM this user has no permissions'));
    trouble.isCause(new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed'));

    expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
      expect.stringContaining('OOM command not allowed'),
      expect.stringContaining('NOPERM this user has no permissions'),
    ]);
  });
});
