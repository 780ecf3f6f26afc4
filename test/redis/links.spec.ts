import { setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import type { InvalidationTracker, ServerConnection } from '@nuthatch/redis/internal';
import {
  eventually,
  startCluster,
  startProxy,
  startSentinel,
  startStandalone,
  type ClusterTopology,
  type RedisServer,
  type TcpProxy,
} from '../harness/index.js';
import { Mirror } from './mirror.js';
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

describe.each(['standalone', 'sentinel', 'cluster'] as const)('closing a %s connection', (mode) => {
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

  it('leaves nothing behind that keeps the process alive, at whichever moment of making its links', async () => {
    const before = sockets();

    for (let momentMs = 0; momentMs < 12; momentMs += 0.3) {
      const { connection } = await openConnection(sharedServers()[mode]);
      await untilUp(connection);
      connection.track([uniqueKey('prefix')]);
      const subscription = connection.subscriber.subscribe(uniqueKey('channel'), () => undefined);
      const startedAt = performance.now();
      while (performance.now() < startedAt + momentMs) await new Promise((resolve) => setImmediate(resolve));
      await Promise.all([closeConnections(), subscription.catch(() => 'the connection was closed first')]);
    }

    await eventually('all sockets are closed', () => sockets() <= before);
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

describe('a tracker', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let connection: ServerConnection;
  let tracker: InvalidationTracker;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
    ({ connection } = await openConnection({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` }));
    await untilUp(connection);
    tracker = connection.track(['app:']);
    await armed(tracker);
  });

  afterEach(async () => {
    await closeConnections();
    await proxy.stop();
    await server.stop();
  });

  const linkId = async (): Promise<string | undefined> =>
    /id=(\d+) .* name=app:default:tracker /.exec(String(await server.call('CLIENT', 'LIST')))?.[1];
  const reportOf = (): Promise<string> =>
    new Promise<string>((resolve) => tracker.on('invalidate', (keys) => resolve(String(keys))));

  it('reports writes of anybody, expiry, eviction and a flush, and nothing else', async () => {
    const reports: (string[] | null)[] = [];
    tracker.on('invalidate', (keys) => reports.push(keys && keys.map(String)));

    await server.call('SET', 'app:one', '1');
    await server.call('SET', 'other', '1');
    await connection.client.set('app:two', '2', 'PX', 30);
    await eventually('the expiry is reported', () => reports.flat().filter((key) => key === 'app:two').length === 2);
    await server.configSet('maxmemory-policy', 'allkeys-lru');
    await server.configSet('maxmemory', 1);
    await eventually('the eviction is reported', () => reports.flat().filter((key) => key === 'app:one').length === 2);
    await server.configSet('maxmemory', 0);
    await server.call('FLUSHALL');
    await eventually('the flush is reported', () => reports.includes(null));

    expect([...new Set(reports.flat())]).toEqual(['app:one', 'app:two', null]);
  });

  it.each(['cut', 'killed'] as const)('whose link is %s reports a gap, and is armed again by itself', async (fault) => {
    const gap = once((listener) => tracker.on('gap', listener));

    if (fault === 'cut') await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    else await server.kill();
    await gap;
    expect(tracker.armed).toBe(false);
    if (fault === 'killed') await server.restart();
    await armed(tracker);
    const report = reportOf();
    await server.call('SET', 'app:key', '1');

    expect(await report).toBe('app:key');
    expect(tracker.refusal).toBeUndefined();
  });

  it.each([undefined, 'requests', 'replies'] as const)(
    'whose link loses %s without a word reports a gap within two seconds, and is armed again by itself',
    async (direction) => {
      const gap = once((listener) => tracker.on('gap', listener));
      const startedAt = performance.now();

      proxy.blackhole(direction);
      expect((await gap) - startedAt).toBeLessThan(2_200);
      expect(tracker.armed).toBe(false);
      proxy.heal();
      await armed(tracker);
      const report = reportOf();
      await server.call('SET', 'app:key', '1');

      expect(await report).toBe('app:key');
    },
  );

  it('whose reports come late does not pretend to know, though they keep coming', async () => {
    const startedAt = performance.now();
    const gap = once((listener) => tracker.on('gap', listener));
    proxy.delay(5_000);
    const writing = setInterval(() => void server.call('SET', 'app:key', '1'), 20);

    expect((await gap) - startedAt).toBeLessThan(2_200);
    clearInterval(writing);
  });

  it('of a server that hangs reports a gap within two seconds, and goes on with the same link when it is back', async () => {
    const before = await linkId();
    const startedAt = performance.now();
    const gap = once((listener) => tracker.on('gap', listener));

    server.pause();
    expect((await gap) - startedAt).toBeLessThan(2_200);
    server.resume();
    await armed(tracker);

    expect(await linkId()).toBe(before);
  });

  it('in a process that stood still reports a gap before anything that was due later, and asks before it goes on', async () => {
    const before = await linkId();
    const seen: string[] = [];
    tracker.on('gap', () => seen.push('gap'));
    tracker.on('armed', () => seen.push('armed'));

    standStill(3_000);
    await sleep(1);
    seen.push('timer');
    await armed(tracker);

    expect(seen[0]).toBe('gap');
    expect(seen.toSorted()).toEqual(['armed', 'gap', 'timer']);
    expect(await linkId()).toBe(before);
  });

  it('is not alarmed by a process that was busy for a moment', async () => {
    const gap = jest.fn();
    tracker.on('gap', gap);

    for (let round = 0; round < 4; round++) {
      standStill(700);
      await sleep(50);
    }

    expect(gap).not.toHaveBeenCalled();
  });

  it('loses no change without a gap, though its link is killed again and again while others write', async () => {
    const mirror = follow(tracker, (key) => server.call('GET', key));
    const keys = Array.from({ length: 300 }, (_, index) => `app:${index}`);
    const startedAt = performance.now();
    const repeatedly = async (forMs: number, act: (round: number) => Promise<unknown>): Promise<void> => {
      for (let round = 0; performance.now() < startedAt + forMs; round++) {
        await act(round);
        await new Promise(setImmediate);
      }
    };

    await Promise.all([
      repeatedly(4_000, (round) => server.call('SET', keys[(round * 7) % keys.length]!, round)),
      repeatedly(4_000, (round) => mirror.fill(keys[(round * 11) % keys.length]!)),
      repeatedly(3_500, async (round) => {
        await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        // Now while it is being armed, now while it is at work.
        await sleep(round % 2 === 0 ? 53 + (round % 23) : 150);
      }),
    ]);
    await armed(tracker);
    const barrier = reportOf();
    await server.call('SET', 'app:barrier', '1');
    await barrier;

    expect(mirror.gaps).toBeGreaterThan(10);
    expect(mirror.held().size).toBeGreaterThan(50);
    const held = [...mirror.held().keys()];
    const values = (await server.call('MGET', ...held)) as string[];
    expect(Object.fromEntries(mirror.held())).toEqual(Object.fromEntries(held.map((key, at) => [key, values[at]])));
  });
});

describe('a tracker that the server refuses', () => {
  let server: RedisServer;

  afterEach(async () => {
    await closeConnections();
    await server.stop();
  });

  const refusalOf = async (options: Partial<RedisConnectionOptions> = {}): Promise<InvalidationTracker> => {
    const { connection } = await openConnection({
      mode: 'standalone',
      url: server.url,
      ...options,
    } as RedisConnectionOptions);
    await untilUp(connection);
    const tracker = connection.track(['app:']);
    const told = new Promise<string>((resolve) => tracker.on('refused', resolve));
    expect(await told).toBe(tracker.refusal);
    expect(tracker.armed).toBe(false);
    return tracker;
  };

  it.each(['-client|tracking', '-client', 'resetchannels'])(
    'by an ACL with %s says so, and leaves the server alone',
    async (rule) => {
      server = await startStandalone();
      await server.call('ACL', 'SETUSER', 'limited', 'on', '>s3cret', '~*', '&*', '+@all', rule);

      const { refusal } = await refusalOf({ username: 'limited', password: 's3cret' });

      expect(refusal).toMatch(/^NOPERM /);
      expect(refusal).not.toContain('s3cret');
      await eventually('its link is closed', async () => {
        return !/name=\S*tracker|sub=1/.test(String(await server.call('CLIENT', 'LIST')));
      });
      const attempts = async (): Promise<number> => ((await server.call('ACL', 'LOG')) as unknown[]).length;
      const before = await attempts();
      await sleep(700);
      expect(await attempts()).toBe(before);
    },
  );

  it('because it does not know the command says so, without the arguments', async () => {
    server = await startStandalone({ args: ['--rename-command', 'CLIENT', ''] });

    const { refusal } = await refusalOf();

    expect(refusal).toMatch(/^ERR unknown command [`']client[`']$/i);
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

  it('stays right when a replica is promoted, and when slots move to a master that has just joined', async () => {
    const topology = await startCluster();
    const options: RedisConnectionOptions = { mode: 'cluster', nodes: topology.addresses };
    const key = 'app:{moving}';
    const owner = (): Promise<RedisServer> => topology.ownerOf(key);

    await staysRight(options, key, owner, async () => {
      const [replica] = await topology.replicasOf(await owner());
      await topology.promote(replica!);
    });

    await topology.untilHealthy();
    const [spare] = await topology.replicasOf(await owner());
    await makeMaster(topology, spare!);
    await staysRight(options, key, owner, async () => {
      const migration = await topology.beginMigration(topology.slotOf(key), spare!);
      await migration.finish();
    });
    expect(await owner()).toBe(spare);

    await topology.stop();
  }, 60_000);
});

describe('a tracker of a Sentinel group', () => {
  it('stays right when a replica is promoted', async () => {
    const topology = await startSentinel();
    const { name, sentinelAddresses: sentinels } = topology;

    await staysRight(
      { mode: 'sentinel', name, sentinels },
      'app:key',
      () => topology.master(),
      () => topology.failover(),
    );

    await topology.stop();
  });
});

/**
 * Moves a key to another server and writes it there, behind the back of a tracker whose connection has no commands of its
 * own that would be redirected. No value may be held longer than a dead line takes to be found.
 */
async function staysRight(
  options: RedisConnectionOptions,
  key: string,
  owner: () => Promise<RedisServer>,
  move: () => Promise<void>,
): Promise<void> {
  const { connection } = await openConnection(options);
  await untilUp(connection);
  const tracker = connection.track(['app:']);
  const mirror = follow(tracker, async (name) => (await owner()).call('GET', name));
  const hold = (value: string): Promise<unknown> =>
    eventually(`the mirror holds ${value}`, async () => {
      await mirror.fill(key);
      expect({ armed: tracker.armed, held: mirror.peek(key) }).toEqual({ armed: true, held: value });
      return true;
    });

  const [before, after] = [uniqueKey('before'), uniqueKey('after')];
  const old = await owner();
  await old.call('SET', key, before);
  await hold(before);
  await move();
  expect(await owner()).not.toBe(old);
  // Replication is asynchronous: a write that was confirmed just before a failover may be lost by it.
  await (await owner()).call('SET', key, before);
  await hold(before);
  await (await owner()).call('SET', key, after);
  await eventually('the old value is gone', () => mirror.peek(key) !== before, 2_500);
  await hold(after);
  await closeConnections();
}

/** Holds what a tracker allows it to hold. */
function follow(tracker: InvalidationTracker, read: (key: string) => Promise<unknown>): Mirror {
  const mirror = new Mirror(read);
  tracker.on('invalidate', (keys) => mirror.changed(keys && keys.map(String)));
  tracker.on('gap', mirror.gap);
  tracker.on('armed', mirror.armed);
  if (tracker.armed) mirror.armed();
  return mirror;
}

/** Makes a replica a master without slots. */
async function makeMaster(topology: ClusterTopology, replica: RedisServer): Promise<void> {
  const [other] = topology.nodes.filter((node) => node !== replica);
  await replica.call('CLUSTER', 'RESET', 'SOFT');
  await replica.call('CLUSTER', 'MEET', other!.host, other!.port);
  const line = new RegExp(`^${topology.idOf(replica)} \\S+ (myself,)?master - .* connected$`, 'm');
  await eventually('all know the new master, and it knows all', async () => {
    const views = await Promise.all(topology.nodes.map((node) => node.call('CLUSTER', 'NODES')));
    const info = String(await replica.call('CLUSTER', 'INFO'));
    return views.every((view) => line.test(String(view))) && info.includes('cluster_state:ok');
  });
}

/** Nothing runs meanwhile, as in a process that was stopped. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function armed(tracker: InvalidationTracker): Promise<void> {
  await eventually('the tracker is armed', () => tracker.armed);
}
