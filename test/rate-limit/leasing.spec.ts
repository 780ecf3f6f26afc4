import { randomUUID } from 'node:crypto';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import type { Rule } from '../../libs/rate-limit/src/drivers/rate-limit-driver.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';
import { LeasingRateLimitDriver } from '../../libs/rate-limit/src/leasing/leasing.driver.js';

const HOUR_US = 3_600_000_000;
const PROCESSES = 4;
const CALLS = 4_000;
const CALLERS = 16;
const LIMIT = 10_000;
const SIZE = 100;

afterAll(closeConnections);

/** A driver with its own connection that takes ahead, and how often it has asked Redis to decide. */
async function openLeasing(
  mode: 'standalone' | 'cluster',
): Promise<{ driver: LeasingRateLimitDriver; trips: () => number }> {
  const { connection } = await openConnection(sharedServers()[mode]);
  await untilUp(connection);
  const redis = new RedisRateLimitDriver(connection, 10_000);
  const decide = redis.decide.bind(redis);
  let trips = 0;
  redis.decide = (charges, operation) => {
    trips += 1;
    return decide(charges, operation);
  };
  return { driver: new LeasingRateLimitDriver(redis), trips: () => trips };
}

describe.each(['standalone', 'cluster'] as const)('processes that take ahead from a limit on %s', (mode) => {
  const common = { id: 1, cost: 1, shadow: false };
  const lease = { size: SIZE, forUs: 10_000_000, perUs: HOUR_US };
  const rules: [string, Rule][] = [
    // So slow that nothing flows back meanwhile.
    ['gcra', { ...common, lease, kind: 'gcra', emissionUs: HOUR_US / 10, burst: LIMIT }],
    ['a fixed window', { ...common, lease, kind: 'fixedWindow', limit: LIMIT, perUs: HOUR_US }],
    ['a sliding window', { ...common, lease, kind: 'slidingWindow', limit: LIMIT, bucketUs: HOUR_US / 5, buckets: 5 }],
  ];

  it.each(rules)(
    'admit the limit of %s together and no more, with a fraction of the trips',
    async (_, rule) => {
      const key = `app:limit:{${randomUUID()}}`;
      const processes = await Promise.all(Array.from({ length: PROCESSES }, () => openLeasing(mode)));
      const charges = [{ key, rules: [rule] }];
      let operation = 0;

      const runs = processes.map(async ({ driver, trips }) => {
        let admitted = 0;
        let made = 0;
        const caller = async (): Promise<void> => {
          while (made++ < CALLS) if ((await driver.decide(charges, ++operation)).allowed) admitted += 1;
        };
        await Promise.all(Array.from({ length: CALLERS }, caller));
        return { admitted, trips: trips() };
      });
      const results = await Promise.all(runs);
      const admitted = results.reduce((sum, run) => sum + run.admitted, 0);

      expect(admitted).toBeLessThanOrEqual(LIMIT);
      expect(admitted).toBeGreaterThanOrEqual(LIMIT - PROCESSES * SIZE);
      const trips = results.reduce((sum, run) => sum + run.trips, 0);
      expect(trips).toBeLessThan((PROCESSES * CALLS) / 10);

      // What was left over has come back, so that in the end exactly the limit was had.
      await Promise.all(processes.map(({ driver }) => driver.close()));
      const { driver } = processes[0]!;
      let more = 0;
      while ((await driver.decide(charges, ++operation)).allowed) more += 1;
      expect(admitted + more).toBe(LIMIT);
    },
    60_000,
  );
});
