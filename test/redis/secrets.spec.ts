import { jest } from '@jest/globals';
import { inspect } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { RedisConnections, RedisModule, redisOptionsFromEnv, type RedisConnectionOptions } from '@nuthatch/redis';
import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import { startCluster, startProxy, startStandalone, type RedisServer } from '../harness/index.js';
import { untilUp } from './open-connection.js';

const SECRET = 'c4n4ry-s3cret';

/** Everything that the process says while `body` runs: logger, console, and whatever errors it is given. */
async function everythingSaid(body: (say: (thing: unknown) => void) => Promise<void>): Promise<string> {
  const said: string[] = [];
  const say = (thing: unknown): void => {
    said.push(inspect(thing, { depth: 20, showHidden: true }), String(thing), (thing as Error)?.stack ?? '');
    said.push(JSON.stringify(thing, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ?? '');
  };
  const spies = (['log', 'warn', 'error', 'info', 'debug'] as const).map((name) =>
    jest.spyOn(console, name).mockImplementation(say),
  );
  try {
    await body(say);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return said.join('\n');
}

async function start(
  connection: RedisConnectionOptions,
  say: (line: unknown) => void,
): Promise<INestApplicationContext> {
  const module = await Test.createTestingModule({
    imports: [RedisModule.forRoot({ connections: { default: connection } }), CacheModule.forRoot()],
  })
    .setLogger({ log: say, warn: say, error: say })
    .compile();
  return module.init();
}

/** Runs a promise of each kind of failure and shows its error. */
async function failInEveryWay(
  connection: ServerConnection,
  cache: CacheService,
  say: (error: unknown) => void,
): Promise<void> {
  const { client } = connection;
  const script = new RedisScript('failing', "return redis.call('INCR', KEYS[1])", 1);
  const attempts: (() => Promise<unknown>)[] = [
    () => client.set('app:text', SECRET),
    () => client.lpush('app:text', SECRET),
    () => client.call('NOSUCHCOMMAND', SECRET, SECRET),
    () => client.call('SET', 'app:text', SECRET, SECRET),
    () => client.eval('return redis.call("INCR", KEYS[1])', 1, 'app:text', SECRET),
    () => connection.run(script, ['app:text'], [SECRET]),
    () => client.evalsha('0'.repeat(40), 1, 'app:text', SECRET),
    () => client.multi().set('app:text', SECRET).lpush('app:text', SECRET).exec(),
    () => client.pipeline().set('app:text', SECRET).lpush('app:text', SECRET).exec(),
    () => cache.set('key', { password: SECRET, refused: () => SECRET }),
    () => cache.getOrSet('other', () => Promise.resolve({ token: SECRET, refused: Symbol(SECRET) })),
  ];
  for (const attempt of attempts) {
    const result = await attempt().catch((error: unknown) => error);
    for (const item of Array.isArray(result) ? result.flat() : [result]) if (item instanceof Error) say(item);
  }
}

describe('a secret in an option or in a value is never said', () => {
  let server: RedisServer;

  beforeEach(async () => {
    server = await startStandalone({ args: ['--requirepass', SECRET] });
  });
  afterEach(() => server.stop());

  it('by a standalone connection: not in error replies, outages, logs, nor when it is printed', async () => {
    const proxy = await startProxy(server);
    const said = await everythingSaid(async (say) => {
      const url = `redis://default:${SECRET}@${proxy.host}:${proxy.port}`;
      const app = await start({ mode: 'standalone', url, commandTimeout: '200ms', tls: false }, say);
      const connection = app.get(RedisConnections).get() as ServerConnection;
      await untilUp(connection);
      await failInEveryWay(connection, app.get(CacheService), say);

      proxy.dropReply(1);
      await connection.client.incrby('app:counter', 1).catch(say);
      proxy.blackhole();
      await failInEveryWay(connection, app.get(CacheService), say);
      await failInEveryWay(connection, app.get(CacheService), say);
      say(connection);
      say(connection.client);
      await app.close();
      await connection.client.set('key', SECRET).catch(say);
    });

    expect(said).toContain('REDIS_TIMEOUT');
    expect(said).toContain('WRONGTYPE');
    expect(said).not.toContain(SECRET);
    await proxy.stop();
  });

  it('by a connection that is refused', async () => {
    const said = await everythingSaid(async (say) => {
      const wrong = `${SECRET}-but-wrong`;
      const app = await start({ mode: 'standalone', url: server.url, username: wrong, password: wrong }, say);
      const connection = app.get(RedisConnections).get() as ServerConnection;
      await connection.client.set('key', SECRET).catch(say);
      await app.close();
    });

    expect(said).toContain('WRONGPASS');
    expect(said).not.toContain(SECRET);
  });

  it('by a Cluster connection that loses a node', async () => {
    const cluster = await startCluster();
    const said = await everythingSaid(async (say) => {
      const app = await start({ mode: 'cluster', nodes: cluster.addresses, commandTimeout: '300ms' }, say);
      const connection = app.get(RedisConnections).get() as ServerConnection;
      await untilUp(connection);
      await failInEveryWay(connection, app.get(CacheService), say);
      for (const node of cluster.nodes) node.pause();
      await failInEveryWay(connection, app.get(CacheService), say);
      say(connection);
      say(connection.client);
      await app.close();
      for (const node of cluster.nodes) node.resume();
    });

    expect(said).toContain('REDIS_TIMEOUT');
    expect(said).not.toContain(SECRET);
    await cluster.stop();
  });

  it('by mistakes in options, whichever option holds it', async () => {
    const said = await everythingSaid(async (say) => {
      const everyOption = {
        username: [SECRET],
        password: { SECRET },
        tls: SECRET,
        commandTimeout: '1s',
        url: `postgres://user:${SECRET}@host`,
        sentinelPassword: 5,
      };
      for (const mode of ['standalone', 'sentinel', 'cluster', 'embedded']) {
        try {
          RedisModule.forRoot({ connections: { default: { mode, ...everyOption } as never } });
        } catch (error) {
          say(error);
        }
      }
      for (const env of [{ REDIS_URL: `http://x:${SECRET}@host` }, { REDIS_CLUSTER_NODES: `user:${SECRET}@host:1` }]) {
        try {
          redisOptionsFromEnv(env);
        } catch (error) {
          say(error);
        }
      }
    });

    expect(said).toContain('is not a Redis URL');
    expect(said).not.toContain(SECRET);
  });
});
