import { randomUUID } from 'node:crypto';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { runLockDriverSuite, type LockDriver } from '@nuthatch/lock/testing';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { RedisLockDriver } from '../../libs/lock/src/drivers/redis.driver.js';

const run = randomUUID();
let ownServer: RedisServer | undefined;

afterAll(closeConnections);
afterAll(() => ownServer?.stop());

for (const mode of ['standalone', 'sentinel', 'cluster'] as const) {
  const root = `app:lock:{${run}:${mode}}:`;
  let opening: Promise<ServerConnection> | undefined;
  const connected = (): Promise<ServerConnection> => (opening ??= connect(mode));

  runLockDriverSuite({
    describe,
    it,
    name: mode,
    key: (name) => `${root}${name}`,
    async open(process) {
      const driver = new RedisLockDriver(await connected(), root, process, 2_000);
      await untilHeard(driver);
      return driver;
    },
    async lose(key) {
      await (await connected()).client.del(key);
    },
    async keptForMs(key) {
      return (await connected()).client.pttl(key);
    },
    // A server of its own: what is shared must not stand still for others.
    ...(mode === 'standalone' && {
      async stall(ms: number) {
        await (await connected()).client.call('CLIENT', 'PAUSE', ms, 'ALL');
      },
    }),
  });
}

async function connect(mode: 'standalone' | 'sentinel' | 'cluster'): Promise<ServerConnection> {
  if (mode === 'standalone') ownServer = await startStandalone();
  const options = ownServer && mode === 'standalone' ? { mode, url: ownServer.url } : sharedServers()[mode];
  const { connection } = await openConnection(options);
  await untilUp(connection);
  return connection;
}

/** Its channel stands when it says that something may have been missed before. */
async function untilHeard(driver: LockDriver): Promise<void> {
  await new Promise<void>((resolve) => {
    const off = driver.listen({
      granted: () => undefined,
      forced: () => undefined,
      moved: () => undefined,
      gap: () => {
        off();
        resolve();
      },
    });
  });
}
