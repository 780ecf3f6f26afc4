import { randomUUID } from 'node:crypto';
import { runCacheDriverSuite } from '@nuthatch/cache/testing';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { StoredValue } from '../../libs/cache/src/drivers/cache-driver.js';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { RedisCacheDriver } from '../../libs/cache/src/drivers/redis.driver.js';

const root = `app:${randomUUID()}:`;

afterAll(closeConnections);

function valueOf(body: string): StoredValue {
  const rest = { ttlMs: 10_000, graceMs: 0, loadMs: 0, revision: '', format: '', tags: [], stamp: undefined };
  return { body, header: { version: `1-${body}`, writtenAt: 1, ...rest } };
}

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

describe.each(['standalone', 'cluster'] as const)('a lease on %s', (mode) => {
  const key = `${root}${mode}:lease-of-another`;
  let connection: ServerConnection;
  let driver: RedisCacheDriver;

  beforeEach(async () => {
    ({ connection } = await openConnection(sharedServers()[mode]));
    await untilUp(connection);
    driver = new RedisCacheDriver(connection, { root, timeoutMs: 2_000, binary: false, coherence: 'tracking' });
    await driver.ready();
    await driver.delete([key]);
  });

  it('that somebody has made to last is taken over by who meets it a second time', async () => {
    await driver.lease(key, 'lasting', 5_000);
    await connection.call('persist', [key], { fromMaster: true });
    expect(await driver.lease(key, 'waits', 5_000)).toEqual({ state: 'busy', token: 'lasting', forMs: 5_000 });

    expect(await driver.lease(key, 'takes', 5_000)).toEqual({ state: 'granted' });

    expect(await connection.call('pttl', [key], { fromMaster: true })).toBeGreaterThan(0);
    expect(await driver.fill(key, 'lasting', valueOf('late'))).toBe(false);
    expect(await driver.fill(key, 'takes', valueOf('value'))).toBe(true);
  });

  it('is waited for as long as it may stand, and by who meets it a second time for as long as it does', async () => {
    await driver.lease(key, 'ending', 60_000);
    await connection.call('pexpire', [key, 3_000], { fromMaster: true });

    const times: number[] = [];
    for (const token of ['a', 'b', 'c']) {
      const reply = await driver.lease(key, token, 60_000);
      if (reply.state === 'busy' && reply.token === 'ending') times.push(reply.forMs);
    }

    expect(times[0]).toBe(60_000);
    expect(times.slice(1).map((ms) => ms > 0 && ms <= 3_000)).toEqual([true, true]);
  });

  it('is not granted over a value that somebody has made to last', async () => {
    await driver.set(key, valueOf('kept'));
    await connection.call('persist', [key], { fromMaster: true });

    expect(await driver.lease(key, 'a', 5_000)).toMatchObject({ state: 'value' });
    expect(await driver.lease(key, 'b', 5_000, '1-another')).toMatchObject({ state: 'value' });
  });
});
