import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LockUnreachableError } from '@nuthatch/lock';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeLocks, openLocks, type OpenLocks } from './open-locks.js';

let server: RedisServer;
let app: OpenLocks;

beforeAll(async () => {
  server = await startStandalone();
  app = await openLocks({ mode: 'standalone', url: server.url });
}, 30_000);

afterAll(async () => {
  await closeLocks();
  await server?.stop();
});

async function messageOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LockUnreachableError);
  return (error as Error).message;
}

describe('What Redis refuses', () => {
  it.each([
    ['of another type', ['SET', 'app:lock:{k}', 'text']],
    ['a list of something else', ['RPUSH', 'app:lock:{k}', 'text']],
  ])('is told with what to do where the key is %s', async (_, command) => {
    await server.call('DEL', 'app:lock:{k}');
    await server.call(...(command as [string, ...string[]]));

    const message = await messageOf(app.locks.tryAcquire('k'));

    expect(message).toMatch(
      /^Redis refused what was asked about lock "k": .+\. Its key in Redis holds something that is no lock/,
    );
    expect(message).not.toMatch(/script:|user_script|[0-9a-f]{40}/);
    await server.call('DEL', 'app:lock:{k}');
  });

  it('is told with what to do where Redis is full', async () => {
    await server.configSet('maxmemory', '1mb');
    const message = await messageOf(app.locks.tryAcquire('k'));
    await server.configSet('maxmemory', 0);

    expect(message).toMatch(/: OOM command not allowed .*\. Redis is full: raise "maxmemory"/);
    expect(message).not.toMatch(/script:|user_script|[0-9a-f]{40}/);
  });

  it.each(['-@list', '-evalsha', 'resetkeys'])(
    'is told with what to do where permissions are missing: %s',
    async (rule) => {
      await server.call('ACL', 'SETUSER', 'default', rule);
      const message = await messageOf(app.locks.tryAcquire('k'));
      await server.call('ACL', 'SETUSER', 'default', '~*', '+@all');

      expect(message).toMatch(/Give the user of the connection the permissions that locks need: /);
      expect(message).toContain('docs/lock.md');
      expect(message).not.toMatch(/script:|user_script|[0-9a-f]{40}/);
    },
  );
});
