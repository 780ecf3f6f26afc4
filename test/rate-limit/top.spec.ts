import { randomUUID } from 'node:crypto';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { RedisTopStore } from '../../libs/rate-limit/src/top/redis-top-store.js';
import { TopConsumers } from '../../libs/rate-limit/src/top/top-consumers.js';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp } from '../redis/open-connection.js';

const WINDOW_MS = 600_000;

async function openConsumers(options: RedisConnectionOptions, root: string): Promise<TopConsumers> {
  const { connection } = await openConnection(options);
  await untilUp(connection);
  return new TopConsumers(new RedisTopStore(connection, root));
}

afterEach(closeConnections);

describe.each(['standalone', 'sentinel', 'cluster'] as const)('the top consumers on %s', (mode) => {
  it('are those of all processes together, with what none has told yet of its own', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => openConsumers(sharedServers()[mode], root)));
    const long = `header:x-api-key:${'\ud800'.repeat(5_000)}`;
    for (let call = 0; call < 5; call++) {
      one!.note('api', 'user:1', 2, true);
      other!.note('api', 'user:1', 1, false);
      other!.note('api', 'user:ü "{}"', 3, true);
    }
    one!.note('api', long, 4, true);
    one!.note('login', 'user:9', 100, true);
    await other!.stop();

    const expected = [
      { subject: 'user:1', taken: 10, denied: 5 },
      { subject: 'user:ü "{}"', taken: 15, denied: 0 },
      { subject: expect.stringMatching(/^%sha256:/), taken: 4, denied: 0 },
    ];
    const all = await one!.top('api', 10);
    expect(all).toHaveLength(3);
    expect(all).toEqual(expect.arrayContaining(expected));
    expect(all[2]).toEqual(expected[2]);
    expect(await other!.top('api', 10)).toEqual(await one!.top('api', 10));
    expect(await other!.top('login', 1)).toEqual([{ subject: 'user:9', taken: 100, denied: 0 }]);
    expect(await other!.top('search', 1)).toEqual([]);
  });
});

describe('the top consumers in a server', () => {
  let server: RedisServer;
  beforeEach(async () => void (server = await startStandalone()));
  afterEach(() => server.stop());
  const open = () => openConsumers({ mode: 'standalone', url: server.url }, 'app:limit:');

  it('are told by one script for each policy, are a thousand at most, and go when the next window but one begins', async () => {
    const one = await open();
    for (let batch = 0; batch < 15; batch++) {
      for (let index = 0; index < 100; index++) one.note('api', `user:${batch}:${index}`, batch + 1, index % 2 === 0);
      await one.flush();
    }
    await one.flush();

    expect((await server.commandStats())['evalsha']?.calls).toBe(15);
    const keys = ((await server.call('KEYS', '*')) as string[]).sort();
    const all = keys.filter((key) => /^app:limit:top:\{api\}:[01]$/.test(key));
    const sizes = await Promise.all(all.map((key) => server.call('ZCARD', key)));
    expect(Math.max(...sizes.map(Number))).toBe(1_000);
    for (const key of keys) {
      const leftMs = Number(await server.call('PTTL', key));
      expect(leftMs).toBeGreaterThan(WINDOW_MS - 60_000);
      expect(leftMs).toBeLessThanOrEqual(2 * WINDOW_MS);
    }
    const denials = keys.filter((key) => key.includes('denied'));
    const denied = await Promise.all(denials.map((key) => server.call('ZCARD', key)));
    // Of the 750 that were denied once, most had to go, as 700 others were given more.
    expect(Math.max(...denied.map(Number))).toBeLessThanOrEqual(300);
    const [top] = await one.top('api', 1);
    expect(top).toMatchObject({ taken: 15, denied: 0 });
    const [last] = (await one.top('api', 1_000)).slice(-1);
    expect(last!.taken + last!.denied).toBeLessThan(2);
  });

  it('of the window before are told, too, and something else under the keys is no matter', async () => {
    const one = await open();
    one.note('api', 'user:1', 2, true);
    await one.flush();
    const [key] = (await server.call('KEYS', '*')) as [string];
    const before = key.replace(/[01]$/, (parity) => (parity === '0' ? '1' : '0'));
    await server.call('ZADD', before, 5, 'user:1', 1, 'user:2');
    await server.call('ZADD', before.replace(/([01])$/, 'denied:$1'), 4, 'user:1');
    expect(await one.top('api', 9)).toEqual([
      { subject: 'user:1', taken: 3, denied: 4 },
      { subject: 'user:2', taken: 1, denied: 0 },
    ]);

    await server.call('SET', key, 'something else');
    expect(await one.top('api', 9)).toHaveLength(2);
    one.note('api', 'user:3', 1, false);
    expect(await one.top('api', 1)).toEqual([{ subject: 'user:1', taken: 1, denied: 4 }]);
    expect(await one.top('api', 9)).toHaveLength(3);
  });

  it('do not hold up the end of a process when Redis is gone', async () => {
    const one = await openConsumers({ mode: 'standalone', url: server.url, commandTimeout: '10s' }, 'app:limit:');
    one.note('api', 'user:1', 2, true);
    server.pause();
    const { error, tookMs } = await outcomeOf(one.stop());
    server.resume();

    expect(error).toBeUndefined();
    expect(tookMs).toBeLessThan(1_500);
    await server.kill();
    await expect(one.top('api', 1)).rejects.toThrow();
  });
});
