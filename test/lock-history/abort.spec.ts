import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { LockModule, LockService } from '@nuthatch/lock';
import { RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { machineTime } from './history/events.js';
import { LockProcess } from './run/lock-process.js';
import type { Look } from './worker/hold-and-look.js';

const FROZEN_MS = 1_500;
const EARLY_MS = 100;

describe('While Redis stands still', () => {
  let server: RedisServer;
  let folder: string;
  let process: LockProcess;
  let app: INestApplicationContext;
  let locks: LockService;

  beforeAll(async () => {
    server = await startStandalone();
    folder = await mkdtemp(path.join(tmpdir(), 'lock-abort-'));
    const connection: RedisConnectionOptions = { mode: 'standalone', url: server.url };
    class Onlooker {}
    const imports = [RedisModule.forRoot({ connections: { default: connection } }), LockModule.forRoot()];
    app = await NestFactory.createApplicationContext({ module: Onlooker, imports }, { logger: false });
    locks = app.get(LockService);
    process = await LockProcess.start({
      name: 'holder',
      folder,
      seed: 1,
      connection: { ...connection, breaker: { failures: 1_000, resetAfter: '1s' } },
      lock: { ttl: '1s', redisTimeout: '300ms' },
      keys: ['frozen'],
      tasks: 0,
      resourceUrl: server.url,
    });
  }, 60_000);

  afterAll(async () => {
    await process.finish();
    await app.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Until when Redis has it held, in machine time: between these. */
  async function heldInRedis(key: string): Promise<{ atLeast: number; atMost: number }> {
    const from = machineTime();
    const list = await locks.admin.list();
    const remainingMs = list.find((lock) => lock.key.includes(`{${key}}`))?.holders[0]?.remainingMs;
    if (remainingMs === undefined) throw new Error('nobody holds it');
    return { atLeast: from + remainingMs, atMost: machineTime() + remainingMs };
  }

  it.each([1, 2, 3, 4])(
    'a holder is aborted before its time is over in Redis, and at most 100 ms before it needs to (round %i)',
    async (round) => {
      const looking = process.ask<Look>({ order: 'hold', key: `frozen-${round}`, forMs: 3_500 }, 20_000);
      await eventually('it is held', () => heldInRedis(`frozen-${round}`));
      // At another point between two renewals each time.
      await sleep(150 + 130 * round);
      // From here on no script is run, so it cannot be renewed after it was looked at.
      await server.call('CLIENT', 'PAUSE', 60_000, 'WRITE');
      const until = await heldInRedis(`frozen-${round}`);
      server.pause();
      await sleep(FROZEN_MS);
      server.resume();
      await server.call('CLIENT', 'UNPAUSE');
      const after = await locks.admin.list();
      const { abortedAt = Infinity, heldAt = 0 } = await looking;

      // A renewal that was sent in vain has not renewed it late.
      expect(after).toEqual([]);
      expect(abortedAt).toBeLessThan(until.atMost);
      expect(abortedAt).toBeGreaterThan(until.atLeast - EARLY_MS);
      expect(heldAt).toBeLessThanOrEqual(abortedAt);
    },
    30_000,
  );

  it('an attempt that is given up takes no effect when Redis goes on', async () => {
    server.pause();
    const look = await process.ask<Look>({ order: 'hold', key: 'late', forMs: 100 }, 20_000);
    await sleep(300);
    server.resume();
    await sleep(100);

    expect(look.refusedFor).toBe('LOCK_UNREACHABLE');
    const list = await locks.admin.list();
    expect(list.filter(({ key }) => key.includes('late'))).toEqual([]);
  }, 30_000);
});
