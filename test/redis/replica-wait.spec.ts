import type { RedisConnectionOptions } from '@nuthatch/redis';
import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import {
  eventually,
  startCluster,
  startProxy,
  startSentinel,
  startStandalone,
  type RedisServer,
  type SentinelTopology,
  type TcpProxy,
} from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp, uniqueKey } from './open-connection.js';

const COUNT = new RedisScript('count', `return redis.call('INCRBY', KEYS[1], ARGV[1])`, 1);
const FAIL = new RedisScript('fail', `return redis.error_reply('ERR of ' .. KEYS[1])`, 1);

const upOn = async (options: RedisConnectionOptions): Promise<ServerConnection> => {
  const { connection } = await openConnection(options);
  await untilUp(connection);
  return connection;
};
/** The connections on which a server waits, as CLIENT LIST shows them. */
const waitersOf = async (server: RedisServer): Promise<string[]> =>
  String(await server.call('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => line.includes('name=app:default:blocking'));
const untilItWaits = (server: RedisServer): Promise<unknown> =>
  eventually('it waits', async () => (await waitersOf(server)).find((line) => / flags=b .* cmd=wait /.test(line)));

afterEach(closeConnections);

describe('a script whose writes replicas should have', () => {
  let topology: SentinelTopology;
  let master: RedisServer;
  let replicas: RedisServer[];
  let connection: ServerConnection;

  beforeAll(async () => {
    topology = await startSentinel();
    master = await topology.master();
    replicas = await topology.replicas();
  });

  beforeEach(async () => {
    connection = await upOn({ mode: 'sentinel', name: topology.name, sentinels: topology.sentinelAddresses });
    await connection.runAndWait(COUNT, [uniqueKey('first')], [1], { replicas: 2, waitMs: 3_000 });
  });

  afterEach(async () => {
    for (const replica of replicas) replica.resume();
    await topology.untilHealthy();
  });

  afterAll(() => topology.stop());

  it('says how many have them, beside what it returns', async () => {
    const key = uniqueKey('counter');

    const outcome = await outcomeOf(connection.runAndWait(COUNT, [key], [5], { replicas: 2, waitMs: 3_000 }));

    expect(outcome.value).toEqual({ reply: 5, replicas: 2 });
    expect(outcome.tookMs).toBeLessThan(1_500);
    for (const replica of replicas) expect(await replica.call('GET', key)).toBe('5');
  });

  it('counts fewer when replicas stand still, once the wait is over', async () => {
    const run = () =>
      outcomeOf(connection.runAndWait(COUNT, [uniqueKey('counter')], [1], { replicas: 2, waitMs: 300 }));

    replicas[0]!.pause();
    const one = await run();
    replicas[1]!.pause();
    const none = await run();

    expect([one.value, none.value]).toEqual([
      { reply: 1, replicas: 1 },
      { reply: 1, replicas: 0 },
    ]);
    for (const { tookMs } of [one, none]) {
      expect(tookMs).toBeGreaterThanOrEqual(299);
      expect(tookMs).toBeLessThan(1_300);
    }
    for (const replica of replicas) replica.resume();
    await eventually('both have it again', async () => {
      const { value } = await run();
      expect(value).toEqual({ reply: 1, replicas: 2 });
      return true;
    });
  });

  it('does not wait for more replicas than it should', async () => {
    replicas[0]!.pause();

    const outcome = await outcomeOf(
      connection.runAndWait(COUNT, [uniqueKey('counter')], [1], { replicas: 1, waitMs: 3_000 }),
    );

    expect(outcome.value).toEqual({ reply: 1, replicas: 1 });
    expect(outcome.tookMs).toBeLessThan(1_500);
  });

  it('holds no other command up while it waits, and none of its kind', async () => {
    for (const replica of replicas) replica.pause();
    const key = uniqueKey('counter');
    let over = false;
    const first = connection.runAndWait(COUNT, [key], [1], { replicas: 1, waitMs: 900 }).finally(() => (over = true));
    await untilItWaits(master);

    expect(await connection.call('get', [key])).toBe('1');
    const second = connection.runAndWait(COUNT, [key], [1], { replicas: 1, waitMs: 900 });
    await eventually('the second has run', async () => (await connection.call('get', [key])) === '2');
    expect(over).toBe(false);

    expect(await Promise.all([first, second])).toEqual([
      { reply: 1, replicas: 0 },
      { reply: 2, replicas: 0 },
    ]);
  });

  it('does not wait when its reply says that there is nothing to wait for', async () => {
    for (const replica of replicas) replica.pause();
    const waits = async (): Promise<number> => (await master.commandStats())['wait']?.calls ?? 0;
    const before = await waits();
    const run = () =>
      connection.runAndWait(COUNT, [uniqueKey('counter')], [7], { replicas: 2, waitMs: 200, when: (n) => n !== 7 });

    expect(await run()).toEqual({ reply: 7, replicas: 0 });

    expect(await waits()).toBe(before);
  });

  it('runs once, also on a server that has forgotten it', async () => {
    const key = uniqueKey('counter');
    await master.flushScripts();

    expect(await connection.runAndWait(COUNT, [key], [1], { replicas: 2, waitMs: 3_000 })).toEqual({
      reply: 1,
      replicas: 2,
    });
    expect(await connection.call('get', [key])).toBe('1');
  });

  it('that fails is not waited for, and its connection serves the next', async () => {
    for (let round = 0; round < 5; round++) {
      const failed = outcomeOf(connection.runAndWait(FAIL, ['key'], [], { replicas: 2, waitMs: 5_000 }));
      expect((await failed).error?.message).toBe('ERR of key');
      expect((await failed).tookMs).toBeLessThan(1_000);
      await connection.runAndWait(COUNT, [uniqueKey('counter')], [1], { replicas: 2, waitMs: 3_000 });
    }

    expect(await waitersOf(master)).toHaveLength(1);
  });
});

describe('a script that is waited for, when the server goes', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let connection: ServerConnection;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
    connection = await upOn({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` });
    await connection.runAndWait(COUNT, ['first'], [1], { replicas: 0, waitMs: 1 });
  });

  afterEach(async () => {
    await closeConnections();
    await proxy.stop();
    await server.stop();
  });

  const countOnce = (waitMs: number) =>
    outcomeOf(connection.runAndWait(COUNT, ['counter'], [1], { replicas: 1, waitMs }));

  it.each(['hung', 'silent'] as const)('before it has run (%s) rejects by the command timeout', async (fault) => {
    if (fault === 'hung') server.pause();
    else proxy.blackhole();

    const outcome = await countOnce(500);

    expect(outcome.error).toMatchObject({ code: 'REDIS_TIMEOUT', command: 'evalsha' });
    expect(outcome.tookMs).toBeGreaterThan(900);
    expect(outcome.tookMs).toBeLessThan(1_500);
    server.resume();
    proxy.heal();
    expect((await countOnce(1)).value).toMatchObject({ replicas: 0 });
  });

  it.each(['hung', 'silent'] as const)('while it waits (%s) gives its reply, and no replica', async (fault) => {
    const counted = countOnce(700);
    await untilItWaits(server);
    if (fault === 'hung') server.pause();
    else proxy.blackhole('replies');

    const outcome = await counted;

    expect(outcome.value).toEqual({ reply: 1, replicas: 0 });
    expect(outcome.tookMs).toBeGreaterThan(1_000);
    expect(outcome.tookMs).toBeLessThan(2_200);
    server.resume();
    proxy.heal();
    await eventually('its connection is closed', async () => (await waitersOf(server)).length === 0);
    expect((await countOnce(1)).value).toEqual({ reply: 2, replicas: 0 });
  });

  it('while it waits, by a cut, gives its reply, and no replica', async () => {
    const counted = countOnce(5_000);
    await untilItWaits(server);

    await server.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    const outcome = await counted;
    expect(outcome.value).toEqual({ reply: 1, replicas: 0 });
    expect(outcome.tookMs).toBeLessThan(2_000);
  });

  it('while it waits, because its server becomes a replica, gives its reply, and no replica', async () => {
    const other = await startStandalone();
    const counted = countOnce(5_000);
    await untilItWaits(server);

    await server.call('REPLICAOF', other.host, other.port);

    const outcome = await counted;
    expect(outcome.value).toEqual({ reply: 1, replicas: 0 });
    expect(outcome.tookMs).toBeLessThan(2_000);
    await other.stop();
  });

  it('waits for a while also when it is told not to wait, which Redis takes for ever', async () => {
    const outcome = await countOnce(0);

    expect(outcome.value).toEqual({ reply: 1, replicas: 0 });
    expect(outcome.tookMs).toBeLessThan(600);
  });

  it('may wait for longer than any other command may take', async () => {
    const outcome = await countOnce(1_500);

    expect(outcome.value).toEqual({ reply: 1, replicas: 0 });
    expect(outcome.tookMs).toBeGreaterThanOrEqual(1_499);
    expect(await waitersOf(server)).toHaveLength(1);
  });

  it('says what the server has against waiting', async () => {
    await server.call('ACL', 'SETUSER', 'default', '-wait');

    expect((await countOnce(100)).error?.message).toMatch(/^NOPERM /);
  });

  it('settles when the connection is closed', async () => {
    const counted = countOnce(60_000);
    await untilItWaits(server);
    await closeConnections();

    expect((await counted).value).toEqual({ reply: 1, replicas: 0 });
    expect((await countOnce(60_000)).error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
  });
});

describe('a script that is waited for, on a Cluster', () => {
  it('runs on the node that has its key, and counts the replicas of that node', async () => {
    const connection = await upOn(sharedServers().cluster);
    const keys = Array.from({ length: 12 }, (_, index) => uniqueKey(`counter-${index}`));

    const replies = await Promise.all(
      keys.map((key, index) => connection.runAndWait(COUNT, [key], [index], { replicas: 1, waitMs: 3_000 })),
    );

    expect(replies).toEqual(keys.map((_, index) => ({ reply: index, replicas: 1 })));
    expect(await Promise.all(keys.map((key) => connection.call('get', [key])))).toEqual(
      keys.map((_, index) => String(index)),
    );
  });

  it('runs once each time while its slot moves to another node, and afterwards', async () => {
    const topology = await startCluster();
    const connection = await upOn({ mode: 'cluster', nodes: topology.addresses });
    const key = 'counter:{moving}';
    const unborn = 'unborn:{moving}';
    const owner = await topology.ownerOf(key);
    const target = (await topology.masters()).find((master) => master !== owner)!;
    const count = (name: string) => connection.runAndWait(COUNT, [name], [1], { replicas: 1, waitMs: 3_000 });

    expect(await count(key)).toEqual({ reply: 1, replicas: 1 });
    await Promise.all(Array.from({ length: 6 }, (_, index) => count(`{${index}}`)));
    const errors = await Promise.all((await topology.masters()).map((node) => node.call('INFO', 'errorstats')));
    expect(errors.join('')).not.toContain('MOVED');
    const migration = await topology.beginMigration(topology.slotOf(key), target);
    expect(await count(key)).toEqual({ reply: 2, replicas: 1 });
    expect(await count(unborn)).toEqual({ reply: 1, replicas: 1 });
    await migration.moveKeys([key]);
    expect(await count(key)).toEqual({ reply: 3, replicas: 1 });
    await migration.finish();
    expect(await count(key)).toEqual({ reply: 4, replicas: 1 });
    expect(await count(unborn)).toEqual({ reply: 2, replicas: 1 });
    expect(await target.call('GET', key)).toBe('4');

    await closeConnections();
    await topology.stop();
  });
});
