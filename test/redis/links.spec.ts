import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import type { InvalidationTracker, ServerConnection } from '@nuthatch/redis/internal';
import {
  eventually,
  startCluster,
  startProxy,
  startStandalone,
  type RedisServer,
  type TcpProxy,
} from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp, uniqueKey } from './open-connection.js';

afterEach(closeConnections);

const once = (subscribe: (listener: () => void) => () => void): Promise<number> =>
  new Promise((resolve) => subscribe(() => resolve(performance.now())));

describe.each(['standalone', 'sentinel', 'cluster'] as const)('the subscriber of a %s connection', (mode) => {
  it('delivers messages of channels and patterns, until it is told to stop', async () => {
    const { connection } = await openConnection(sharedServers()[mode]);
    await untilUp(connection);
    const channel = uniqueKey('channel');
    const received: string[] = [];
    const stop = await connection.subscriber.subscribe(channel, (message) => received.push(`${message}`));
    await connection.subscriber.psubscribe(`${channel}*`, (message, from) =>
      received.push(`${from === channel} ${message}`),
    );

    await connection.call('publish', [channel, 'one']);
    await eventually('both have the message', () => received.length === 2);
    await stop();
    await connection.call('publish', [channel, 'two']);
    await eventually('the pattern has the second message', () => received.length === 3);

    expect(received.sort()).toEqual(['one', 'true one', 'true two']);
  });

  it('makes no link before it is needed', async () => {
    const { connection } = await openConnection(sharedServers()[mode]);
    await untilUp(connection);
    const name = `app:default:subscriber`;
    const links = async () =>
      (await Promise.all(connection.masters().map((node) => node.client('LIST')))).join('').includes(name);
    expect(await links()).toBe(false);
  });
});

describe('links beside the commands', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let connection: ServerConnection;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
    ({ connection } = await openConnection({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` }));
    await untilUp(connection);
  });

  afterEach(async () => {
    await closeConnections();
    await proxy.stop();
    await server.stop();
  });

  it('a subscriber whose link is cut reports a gap, and then that it is back', async () => {
    const received: string[] = [];
    await connection.subscriber.subscribe('news', (message) => received.push(`${message}`));
    const gap = once((listener) => connection.subscriber.on('gap', listener));
    const resumed = once((listener) => connection.subscriber.on('resumed', listener));

    await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await gap;
    await resumed;
    await server.call('PUBLISH', 'news', 'after');
    await eventually('the message is there', () => received.length === 1);

    expect(received).toEqual(['after']);
  });

  it('a subscriber whose link has gone silent reports a gap within ten seconds', async () => {
    await connection.subscriber.subscribe('news', () => undefined);
    const startedAt = performance.now();
    const gap = once((listener) => connection.subscriber.on('gap', listener));

    proxy.blackhole();

    expect((await gap) - startedAt).toBeLessThan(10_000);
  });

  it('a subscription that cannot be made is refused by its deadline, and does not come about later', async () => {
    proxy.blackhole();
    const received: string[] = [];

    const outcome = await outcomeOf(connection.subscriber.subscribe('news', (message) => received.push(`${message}`)));
    expect(outcome.error).toMatchObject({ code: expect.stringMatching(/^REDIS_/) });
    expect(outcome.tookMs).toBeLessThan(1_500);

    proxy.heal();
    await eventually(
      'the link is back',
      async () => !!(await connection.subscriber.subscribe('other', () => undefined)),
    );
    expect(await server.call('PUBLISH', 'news', 'x')).toBe(0);
    expect(received).toEqual([]);
  });

  it('a tracker reports writes of anybody, expiry and a flush, and nothing else', async () => {
    const tracker = connection.track(['app:']);
    await armed(tracker);
    const reports: (string[] | null)[] = [];
    tracker.on('invalidate', (keys) => reports.push(keys && keys.map(String)));

    await server.call('SET', 'app:one', '1');
    await server.call('SET', 'other', '1');
    await connection.client.set('app:two', '2', 'PX', 30);
    await eventually('the expiry is reported', () => reports.flat().filter((key) => key === 'app:two').length === 2);
    await server.call('FLUSHALL');
    await eventually('the flush is reported', () => reports.includes(null));

    expect([...new Set(reports.flat())]).toEqual(['app:one', 'app:two', null]);
  });

  it.each(['cut', 'silent'] as const)(
    'a tracker whose link is %s reports a gap, and is armed again by itself',
    async (fault) => {
      const tracker = connection.track(['app:']);
      await armed(tracker);
      const gap = once((listener) => tracker.on('gap', listener));
      const startedAt = performance.now();

      if (fault === 'cut') await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      else proxy.blackhole();
      expect((await gap) - startedAt).toBeLessThan(10_000);
      expect(tracker.armed).toBe(false);
      proxy.heal();
      await armed(tracker);
      const report = new Promise<string>((resolve) => tracker.on('invalidate', (keys) => resolve(String(keys))));
      await server.call('SET', 'app:key', '1');

      expect(await report).toBe('app:key');
    },
  );

  it('a blocking command may wait longer than the deadline of others, and holds none of them up', async () => {
    const popped = outcomeOf(connection.callBlocking('blpop', ['queue', 2], 2_000));
    const other = outcomeOf(connection.callBlocking('blpop', ['other', 1], 1_000));
    const startedAt = performance.now();
    await sleep(50);

    expect(await connection.client.get('key')).toBeNull();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await other).toMatchObject({ value: null });
    expect((await other).tookMs).toBeLessThan(1_600);
    expect(await popped).toMatchObject({ value: null });
    expect((await popped).tookMs).toBeGreaterThan(1_500);
  });

  it('a blocking command that was rejected takes nothing off the list afterwards', async () => {
    const popped = outcomeOf(connection.callBlocking('blpop', ['queue', 60], 100));

    expect((await popped).error).toMatchObject({ code: 'REDIS_TIMEOUT', command: 'blpop' });
    await eventually('Redis has let the client go', async () => {
      return !String(await server.call('CLIENT', 'LIST')).includes('cmd=blpop');
    });
    await server.call('RPUSH', 'queue', 'job');

    expect(await server.call('LLEN', 'queue')).toBe(1);
    expect(await connection.callBlocking('blpop', ['queue', 1], 1_000)).toEqual(['queue', 'job']);
  });

  it.each(['hung', 'silent'] as const)(
    'a blocking command settles once its wait is over, though the server is %s',
    async (fault) => {
      await connection.callBlocking('ping', [], 0);
      const popped = outcomeOf(connection.callBlocking('blpop', ['queue', 1], 1_000));
      if (fault === 'hung') server.pause();
      else proxy.blackhole();

      const outcome = await popped;

      expect(outcome.error).toMatchObject({ code: 'REDIS_TIMEOUT', command: 'blpop' });
      expect(outcome.tookMs).toBeGreaterThan(1_900);
      expect(outcome.tookMs).toBeLessThan(2_600);
      server.resume();
      proxy.heal();
      expect(await connection.callBlocking('ping', [], 1_000)).toBe('PONG');
    },
  );
});

describe('a blocking command on a Cluster', () => {
  it('goes to the node that has its key', async () => {
    const { connection } = await openConnection(sharedServers().cluster);
    await untilUp(connection);
    const keys = Array.from({ length: 12 }, (_, index) => uniqueKey(`queue-${index}`));

    const popped = Promise.all(keys.map((key) => connection.callBlocking('blpop', [key, 5], 5_000)));
    await Promise.all(keys.map((key) => connection.client.rpush(key, `job of ${key}`)));

    expect(await popped).toEqual(keys.map((key) => [key, `job of ${key}`]));
  });
});

describe('a tracker on a Cluster', () => {
  it('follows every master, also one that a failover has made', async () => {
    const topology = await startCluster();
    const options: RedisConnectionOptions = { mode: 'cluster', nodes: topology.addresses, commandTimeout: '10s' };
    const { connection } = await openConnection(options);
    await untilUp(connection);
    const tracker = connection.track(['app:']);
    await armed(tracker);
    const reported = new Set<string>();
    tracker.on('invalidate', (keys) => keys?.forEach((key) => reported.add(String(key))));
    const keys = Array.from({ length: 30 }, (_, index) => `app:{${index}}`);

    await Promise.all(keys.map((key) => connection.client.set(key, '1')));
    await eventually('every master has reported', () => reported.size === keys.length);

    reported.clear();
    const gap = once((listener) => tracker.on('gap', listener));
    const [old] = await topology.masters();
    await old!.kill();
    await gap;
    await armed(tracker);
    await Promise.all(keys.map((key) => connection.client.set(key, '2')));
    await eventually('every master has reported, the new one too', () => reported.size === keys.length);

    await closeConnections();
    await topology.stop();
  });
});

async function armed(tracker: InvalidationTracker): Promise<void> {
  await eventually('the tracker is armed', () => tracker.armed);
}
