import { randomUUID } from 'node:crypto';
import { runCacheDriverSuite } from '@nuthatch/cache/testing';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { RedisCacheDriver } from '../../libs/cache/src/drivers/redis.driver.js';

const run = randomUUID();

afterAll(closeConnections);

for (const mode of ['standalone', 'sentinel', 'cluster'] as const) {
  runCacheDriverSuite({
    describe,
    it,
    name: mode,
    key: (name) => `app:cache:${run}:${mode}:${name}`,
    async create() {
      const { connection } = await openConnection(sharedServers()[mode]);
      await untilUp(connection);
      return new RedisCacheDriver(connection);
    },
  });
}
