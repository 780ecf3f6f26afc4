import { randomUUID } from 'node:crypto';
import { runRateLimitDriverSuite } from '@nuthatch/rate-limit/testing';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';

const run = randomUUID();

afterAll(closeConnections);

for (const mode of ['standalone', 'sentinel', 'cluster'] as const) {
  runRateLimitDriverSuite({
    describe,
    it,
    name: mode,
    key: (name) => `app:limit:{${run}:${mode}}:${name}`,
    async create() {
      const { connection } = await openConnection(sharedServers()[mode]);
      await untilUp(connection);
      return new RedisRateLimitDriver(connection, 2_000);
    },
  });
}
