import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { gcra, RateLimiter, RateLimitModule, slidingLog } from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { subjectKey } from '../../libs/rate-limit/src/subject-key.js';
import { eventually, startCluster, startSentinel } from '../harness/index.js';
import { untilUp } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const LIMIT = 100;
const policies = { api: gcra({ limit: LIMIT, per: '7d' }), log: slidingLog({ limit: LIMIT, per: '7d' }) };

async function openLimiter(connection: RedisConnectionOptions): Promise<RateLimiter> {
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      RateLimitModule.forRoot({ policies, redisTimeout: '2s' }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  await untilUp(module.get(RedisConnections).get() as ServerConnection);
  return module.get(RateLimiter);
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

describe('limits while a slot moves', () => {
  it('go on as they were: nothing is counted twice, and nothing forgotten', async () => {
    const topology = await startCluster();
    const limiter = await openLimiter({ mode: 'cluster', nodes: topology.addresses });
    const known = randomUUID();
    const key = subjectKey('app:limit:', known);
    let shared = 0;
    const take = async (policy: string, calls: number): Promise<number> => {
      const decisions = await Promise.all(Array.from({ length: calls }, () => limiter.consume(policy, known)));
      shared += decisions.filter((decision) => decision.shared).length;
      return decisions.filter(({ allowed }) => allowed).length;
    };

    const owner = await topology.ownerOf(key);
    const target = (await topology.masters()).find((master) => master !== owner)!;
    expect([await take('api', 30), await take('log', 30)]).toEqual([30, 30]);
    const migration = await topology.beginMigration(topology.slotOf(key), target);
    expect([await take('api', 20), await take('log', 20)]).toEqual([20, 20]);
    await migration.moveKeys([key]);
    expect([await take('api', 20), await take('log', 20)]).toEqual([20, 20]);
    await migration.finish();
    expect([await take('api', 60), await take('log', 60)]).toEqual([30, 30]);

    expect(await topology.ownerOf(key)).toBe(target);
    expect(shared).toBe(260);
    await Promise.all(open.splice(0).map((app) => app.close()));
    await topology.stop();
  }, 60_000);
});

describe('limits while another master is elected', () => {
  it('are those of Redis again within a second, and what it had counted is counted', async () => {
    const topology = await startSentinel();
    const { name, sentinelAddresses: sentinels } = topology;
    const limiter = await openLimiter({ mode: 'sentinel', name, sentinels });
    const subject = randomUUID();
    for (let call = 0; call < 60; call++) await limiter.consume('api', subject);
    const master = await topology.master();
    expect(await master.call('WAIT', 2, 2_000)).toBe(2);

    await topology.failover();
    await eventually('Redis decides again', async () => (await limiter.peek('api', subject)).shared, 1_000);
    const { remaining } = await limiter.peek('api', subject);

    expect(remaining).toBe(LIMIT - 60);
    await Promise.all(open.splice(0).map((app) => app.close()));
    await topology.stop();
  }, 60_000);
});
