import { describe, expect, it } from '@jest/globals';
import { HttpException, type ExecutionContext } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { WsException } from '@nestjs/websockets';
import type { RateLimitDecision } from '../decision.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import { errorForContext } from './error-for-context.js';
import { RateLimitExceededError } from './rate-limit-exceeded.error.js';
import { RateLimitRefusalError } from './rate-limit-refusal.error.js';

const decision: RateLimitDecision = {
  allowed: false,
  remaining: 0,
  retryAfterMs: 1_500,
  resetAt: new Date(0),
  violated: ['login', 'trial'],
  policies: [],
  shared: true,
};
const denial = new RateLimitExceededError(decision, [{ name: 'login' }, { name: 'trial', shadow: true }]);
const told = { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 1_500, 'violated-policies': ['login'] };

const contextOf = (type: string, ...args: unknown[]): ExecutionContext =>
  ({ getType: () => type, getArgs: () => args }) as unknown as ExecutionContext;

describe('A denial', () => {
  it('is an exception of HTTP, with the same for GraphQL', () => {
    expect(denial).toBeInstanceOf(HttpException);
    expect(denial.getStatus()).toBe(429);
    expect(denial.getResponse()).toMatchObject({ status: 429, 'violated-policies': ['login'] });
    expect(denial).toMatchObject({
      code: 'RATE_LIMIT_EXCEEDED',
      decision,
      extensions: told,
      name: 'RateLimitExceededError',
    });
    expect(denial.message).toBe('The limit "login" is reached. Try again in 2 seconds.');
  });

  it.each(['http', 'graphql', 'necord'])('is thrown as it is to %s', async (type) => {
    expect(await errorForContext(denial, contextOf(type))).toBe(denial);
  });

  it.each([
    ['ws', WsException],
    ['rpc', RpcException],
  ])('is what the filters of %s understand, and a denial all the same', async (type, Exception) => {
    const thrown = (await errorForContext(denial, contextOf(type, {}, {}))) as WsException & RateLimitExceededError;

    expect(thrown).toBeInstanceOf(Exception);
    expect(thrown).toBeInstanceOf(RateLimitExceededError);
    expect(thrown.getError()).toMatchObject({ ...told, message: denial.message });
    expect(thrown).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', decision, cause: denial, message: denial.message });
  });

  it('has a code of gRPC for gRPC', async () => {
    const metadata = { getMap: () => ({}) };
    const refusal = new RateLimitRefusalError(401, new RateLimitCallError('why'));

    const [denied, refused] = await Promise.all(
      [denial, refusal].map(
        async (error) => (await errorForContext(error, contextOf('rpc', {}, metadata))) as RpcException,
      ),
    );

    expect([denied!.getError(), refused!.getError()]).toEqual([
      expect.objectContaining({ code: 8, message: denial.message }),
      expect.objectContaining({ code: 16, message: 'Log in to do this.' }),
    ]);
  });

  it('is no other error, and of a subclass only its own', () => {
    class Other extends RateLimitExceededError {}

    expect(new Error('no')).not.toBeInstanceOf(RateLimitExceededError);
    expect(denial).not.toBeInstanceOf(Other);
    expect(new Other(decision)).toBeInstanceOf(Other);
    expect(new Other(decision)).toBeInstanceOf(RateLimitExceededError);
    for (const value of [undefined, null, 'text']) expect(value).not.toBeInstanceOf(RateLimitExceededError);
  });
});

describe('A refusal', () => {
  const cause = new RateLimitCallError('The policy "secret" is by: "user".');

  it.each(['ws', 'rpc'])('tells a caller of %s no more than the status, and is no denial', async (type) => {
    const thrown = (await errorForContext(
      new RateLimitRefusalError(401, cause),
      contextOf(type, {}, {}),
    )) as WsException;

    expect(thrown.getError()).toMatchObject({ code: 'RATE_LIMIT_CALL', status: 401, message: 'Log in to do this.' });
    expect(JSON.stringify(thrown.getError())).not.toContain('secret');
    expect(thrown).not.toBeInstanceOf(RateLimitExceededError);
    expect((thrown.cause as Error).cause).toBe(cause);
  });
});
