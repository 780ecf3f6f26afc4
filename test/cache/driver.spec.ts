import { randomUUID } from 'node:crypto';
import { runCacheDriverSuite } from '@nuthatch/cache/testing';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { RedisCacheDriver } from '../../libs/cache/src/drivers/redis.driver.js';

const root = `app:${randomUUID()}:`;

afterAll(closeConnections);

for (const mode of ['standalone', 'sentinel', 'cluster'] as const) {
  runCacheDriverSuite({
    describe,
    it,
    name: mode,
    key: (name) => `${root}${mode}:${name}`,
    async create() {
      const { connection } = await openConnection(sharedServers()[mode]);
      await untilUp(connection);
      return new RedisCacheDriver(connection, { root, timeoutMs: 2_000, binary: false, coherence: 'tracking' });
    },
  });
}
