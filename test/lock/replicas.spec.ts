import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LockModule, LockService, LockUnreachableError } from '@nuthatch/lock';
import { RedisModule } from '@nuthatch/redis';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';

@Module({})
class Empty {}

let master: RedisServer;
let replica: RedisServer;
let app: INestApplicationContext;
let locks: LockService;

beforeAll(async () => {
  [master, replica] = await Promise.all([startStandalone(), startStandalone()]);
  await replica.call('REPLICAOF', master.host, String(master.port));
  await untilReplicated();
  app = await NestFactory.createApplicationContext(
    {
      module: Empty,
      imports: [
        RedisModule.forRoot({ connections: { default: { mode: 'standalone', url: master.url } } }),
        LockModule.forRoot({ replicas: { min: 1, timeout: '200ms' } }),
      ],
    },
    { logger: false },
  );
  locks = app.get(LockService);
});
afterAll(async () => {
  await app.close();
  await Promise.all([master.stop(), replica.stop()]);
});

const untilReplicated = (): Promise<unknown> =>
  eventually('the replica has all', async () => {
    // Without a write there is nothing to have, and a replica that has not yet loaded anything would do.
    const mark = String(Math.random());
    await master.call('SET', 'mark', mark);
    return (await replica.call('GET', 'mark')) === mark && (await master.call('WAIT', '1', '100')) === 1;
  });

describe('a lock that replicas must have', () => {
  it('is had by one when it is granted, and fully valid', async () => {
    const lock = await locks.acquire('replicated');
    expect(await replica.call('LINDEX', 'app:lock:{replicated}', '0')).toContain(String(lock.token));
    expect(lock.validForMs()).toBeGreaterThan(29_000);
    expect(await lock.release()).toBe('released');
  });

  it('is had by one also when it was waited for', async () => {
    const first = await locks.acquire('waited');
    const waiting = locks.acquire('waited');
    await eventually('it waits', async () => (await locks.admin.list())[0]?.waiters.length === 1);
    await first.release();
    const second = await waiting;
    expect(await replica.call('LINDEX', 'app:lock:{waited}', '0')).toContain(String(second.token));
    expect(second.validForMs()).toBeGreaterThan(29_000);
    await second.release();
  });

  it('is not granted while no replica answers, is free again at once, and does not hold up others', async () => {
    replica.pause();
    try {
      const refusal = locks.acquire('unreplicated');
      const before = performance.now();
      await app.get(LockService).admin.list();
      expect(performance.now() - before).toBeLessThan(150);
      const error = (await refusal.catch((reason: unknown) => reason)) as LockUnreachableError;
      expect(error).toBeInstanceOf(LockUnreachableError);
      expect(error.cause).toMatchObject({ code: 'LOCK_REPLICAS', replicas: 0, min: 1, timeoutMs: 200 });
      expect(await locks.admin.list()).toEqual([]);
    } finally {
      replica.resume();
    }
    await untilReplicated();
    const lock = await locks.acquire('unreplicated', { wait: '0ms' });
    await lock.release();
  });
});
