import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { RedisScript } from '@nuthatch/redis/internal';
import {
  eventually,
  startCluster,
  startProxy,
  startSentinel,
  startStandalone,
  type RedisServer,
  type TcpProxy,
} from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp } from './open-connection.js';

describe('what once went wrong', () => {
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
  });

  afterEach(async () => {
    await closeConnections();
    await proxy.stop();
    await server.stop();
  });

  const connect = (extra: Partial<RedisConnectionOptions> = {}) =>
    openConnection({
      mode: 'standalone',
      url: `redis://${proxy.host}:${proxy.port}`,
      ...extra,
    } as RedisConnectionOptions);

  it('a pipeline longer than what may wait for a connection takes no replies of other callers', async () => {
    await server.call('SET', 'name', 'Ada');
    const { connection } = await connect({ commandTimeout: '5s' });
    const long = connection.client.pipeline();
    for (let index = 0; index < 10_500; index++) long.set(`long:${index}`, index);
    const short = connection.client.pipeline().set('short:1', 1).set('short:2', 2);

    const [stored, refused] = [long.exec(), short.exec()];
    await untilUp(connection);

    expect(await connection.client.get('name')).toBe('Ada');
    expect((await stored)?.every(([error, reply]) => error === null && reply === 'OK')).toBe(true);
    expect((await refused)?.every(([error]) => error?.message.includes('10000 commands wait'))).toBe(true);
  });

  it('a pipeline that begins while another one probes is refused as a whole', async () => {
    const { connection } = await connect({
      commandTimeout: '200ms',
      silenceTimeout: '10s',
      breaker: { resetAfter: '300ms' },
    });
    await untilUp(connection);
    await connection.client.set('name', 'Ada');
    proxy.delay(300);
    for (let call = 0; call < 5; call++) await outcomeOf(connection.client.get('key'));
    await sleep(600);
    proxy.delay(100);

    const probe = connection.client.pipeline().get('name').get('name').exec();
    const other = connection.client.pipeline().set('a', 1).set('b', 2).set('c', 3).set('d', 4).exec();

    expect((await other)?.every(([error]) => error?.message.includes('calls fail at once'))).toBe(true);
    expect(await probe).toEqual([
      [null, 'Ada'],
      [null, 'Ada'],
    ]);
    expect(await connection.client.get('name')).toBe('Ada');
    expect(await server.call('EXISTS', 'a', 'b', 'c', 'd')).toBe(0);
  });

  it('a link that dies while ioredis selects the database again does not end the process', async () => {
    const rejections: unknown[] = [];
    const note = (error: unknown): void => void rejections.push(error);
    process.on('unhandledRejection', note);
    const { connection } = await connect();
    await untilUp(connection);
    await (connection.client as { select(db: number): Promise<unknown> }).select(3);

    for (let reply = 3; reply < 9; reply++) {
      proxy.dropReply(reply);
      await server.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await sleep(250);
    }

    expect(rejections).toEqual([]);
    process.off('unhandledRejection', note);
  });

  it('the selected database is still the one after an outage that has opened the breaker', async () => {
    const { connection } = await connect();
    await untilUp(connection);
    await (connection.client as { select(db: number): Promise<unknown> }).select(3);
    await server.kill();
    for (let call = 0; call < 6; call++) await outcomeOf(connection.client.get('key'));

    await server.restart();
    await eventually('it is up', () => connection.state === 'ready');
    await connection.client.set('where', '3');

    expect(await server.call('DBSIZE')).toBe(0);
  });

  it('one call may be given more time than a link may be silent', async () => {
    const { connection } = await connect({ silenceTimeout: '300ms' });
    await untilUp(connection);

    expect(await connection.call('blpop', ['queue', 1], { timeoutMs: 3_000 })).toBeNull();
  });

  it('a script and its text share one deadline', async () => {
    const { connection } = await connect({ commandTimeout: '400ms' });
    await untilUp(connection);
    const script = new RedisScript('slow', 'return 1', 1);
    proxy.delay(300);

    const outcome = await outcomeOf(connection.run(script, ['key'], []));

    expect(outcome.error).toMatchObject({ code: 'REDIS_TIMEOUT' });
    expect(outcome.tookMs).toBeLessThan(550);
  });

  it('a server that was demoted behind its address is left for the one that is master now', async () => {
    const replica = await startStandalone({ args: ['--replicaof', '127.0.0.1', String(server.port)] });
    const other = await startProxy(replica);
    const { connection } = await openConnection({ mode: 'standalone', url: `redis://${other.host}:${other.port}` });
    await untilUp(connection);
    const up = new Promise<void>((resolve) => connection.on('up', resolve));

    await expect(connection.client.set('key', 'value')).rejects.toThrow('READONLY');
    await up;
    await expect(connection.client.set('key', 'value')).rejects.toThrow('READONLY');
    expect(connection.state).toBe('ready');

    await closeConnections();
    await other.stop();
    await replica.stop();
  });

  it('a silence timeout of a year means never', async () => {
    const { connection, logs } = await connect({ commandTimeout: '365d', silenceTimeout: '36500d' });
    await untilUp(connection);
    const popped = connection.call('blpop', ['queue', 1]);

    expect(await popped).toBeNull();
    expect(logs.filter((line) => line.includes('is down'))).toEqual([]);
  });
});

describe('what once went wrong on Sentinel and Cluster', () => {
  afterEach(closeConnections);

  it('replicas that hang hold up reads, but not the writes to a healthy master; and a replica that comes late is used', async () => {
    const topology = await startSentinel();
    const replicas = await topology.replicas();
    await Promise.all(replicas.map((replica) => replica.kill()));
    await eventually('the sentinels have noticed', async () => {
      const state = JSON.stringify(await topology.sentinels[0]!.call('SENTINEL', 'REPLICAS', topology.name));
      return (state.match(/s_down/g)?.length ?? 0) >= 2;
    });
    const { connection } = await openConnection({
      mode: 'sentinel',
      name: topology.name,
      sentinels: topology.sentinelAddresses,
      readFrom: 'replica',
      commandTimeout: '300ms',
    });
    await untilUp(connection);
    await connection.client.get('key');

    await Promise.all(replicas.map((replica) => replica.restart()));
    await eventually('a replica is read from', async () => {
      await connection.client.get('key');
      const stats = await Promise.all(replicas.map((replica) => replica.commandStats()));
      return stats.some((stat) => (stat['get']?.calls ?? 0) > 0);
    });

    for (const replica of replicas) replica.pause();
    await Promise.all(Array.from({ length: 8 }, () => outcomeOf(connection.client.get('key'))));
    await expect(connection.client.set('key', 'value')).resolves.toBe('OK');

    for (const replica of replicas) replica.resume();
    await closeConnections();
    await topology.stop();
  }, 60_000);

  it('a long transaction on a dead shard does not stop calls to the others', async () => {
    const topology = await startCluster();
    const { connection, logs } = await openConnection({ mode: 'cluster', nodes: topology.addresses });
    await untilUp(connection);
    const [dead, alive] = await topology.masters();
    const keyOf = async (owner: RedisServer): Promise<string> => {
      for (let index = 0; ; index++) if ((await topology.ownerOf(`key:${index}`)) === owner) return `key:${index}`;
    };
    const [lost, kept] = [await keyOf(dead!), await keyOf(alive!)];

    await dead!.kill();
    await sleep(100);
    const transaction = connection.client.multi();
    for (let command = 0; command < 10; command++) transaction.incr(lost);
    await expect(transaction.exec()).rejects.toThrow('is unreachable');

    const replies = await Promise.all(Array.from({ length: 10 }, () => connection.client.get(kept)));
    expect(replies).toEqual(Array.from({ length: 10 }, () => null));
    expect(logs.filter((line) => line.includes('is down'))).toEqual([]);
    await closeConnections();
    await topology.stop();
  }, 60_000);

  it('a transaction on a Cluster that cannot be reached settles by its deadline, with an error of the suite', async () => {
    const nodes = [{ host: '127.0.0.1', port: 1 }];
    const { connection } = await openConnection({ mode: 'cluster', nodes, commandTimeout: '300ms' });

    const outcome = await outcomeOf(connection.client.multi().set('key', 'value').exec());

    expect(outcome.error).toMatchObject({ code: expect.stringMatching(/^REDIS_/) });
    expect(outcome.tookMs).toBeLessThan(600);
  });

  it('a transaction that is sent before the Cluster is known runs once it is', async () => {
    const { connection } = await openConnection(sharedServers().cluster);

    const replies = await connection.client.multi().set('{early}', 'value').get('{early}').exec();

    expect(replies).toEqual([
      [null, 'OK'],
      [null, 'value'],
    ]);
  });
});
