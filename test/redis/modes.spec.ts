import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { RedisScript } from '@nuthatch/redis/internal';
import { sharedTopologies, startStandalone } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp, uniqueKey } from './open-connection.js';

afterEach(closeConnections);

describe.each(['standalone', 'sentinel', 'cluster'] as const)('a connection to %s', (mode) => {
  const connect = async (extra: object = {}) => {
    const opened = await openConnection({ ...sharedServers()[mode], ...extra } as RedisConnectionOptions);
    await untilUp(opened.connection);
    return opened;
  };

  it('comes up, says so once, and runs commands', async () => {
    const { connection, logs } = await connect();
    const key = uniqueKey('hello');

    await connection.client.set(key, 'world');

    expect(await connection.client.get(key)).toBe('world');
    expect(await connection.ping()).toBeGreaterThan(0);
    expect(connection.mode).toBe(mode);
    expect(connection.state).toBe('ready');
    expect(logs.filter((line) => line.startsWith('Redis connection "default" is up'))).toHaveLength(1);
  });

  it('answers every command of a pipeline in order, wherever its key lives', async () => {
    const { connection } = await connect();
    const keys = Array.from({ length: 50 }, (_, index) => uniqueKey(`pipeline-${index}`));

    const writes = keys.reduce((pipeline, key, index) => pipeline.set(key, index), connection.client.pipeline());
    await writes.exec();
    const reads = await keys.reduce((pipeline, key) => pipeline.get(key), connection.client.pipeline()).exec();

    expect(reads).toEqual(keys.map((_, index) => [null, String(index)]));
  });

  it('runs a transaction', async () => {
    const { connection } = await connect();
    const key = uniqueKey('counter');

    const results = await connection.client.multi().incr(key).incrby(key, 41).exec();

    expect(results).toEqual([
      [null, 1],
      [null, 42],
    ]);
  });

  it('runs a script, also after the server has forgotten it', async () => {
    const { connection } = await connect();
    const script = new RedisScript('spec', `return redis.call('INCRBY', KEYS[1], ARGV[1]) -- ${uniqueKey('text')}`, 1);
    const key = uniqueKey('script');

    expect(await connection.run(script, [key], [2])).toBe(2);
    await Promise.all(connection.masters().map((master) => master.script('FLUSH')));
    expect(await connection.run(script, [key], [3])).toBe(5);
    await expect(connection.run(script, [], [3])).rejects.toThrow('Script "spec" takes 1 keys, and got 0.');
  });

  it('lists its servers', async () => {
    const { connection } = await connect();

    const topology = await connection.topology();

    const expected = { standalone: [1, 0, 0], sentinel: [1, 2, 3], cluster: [3, 3, 0] }[mode];
    const { masters, replicas, sentinels } = topology;
    expect([masters.length, replicas.length, sentinels.length]).toEqual(expected);
    expect([...masters, ...replicas, ...sentinels].every(({ up }) => up)).toBe(true);
    expect(replicas.every(({ lagBytes }) => lagBytes !== undefined && lagBytes < 1_000_000)).toBe(true);
    expect(replicas.every(({ master }) => masters.some(({ address }) => address === master))).toBe(true);
    if (mode === 'cluster') {
      const slots = masters.flatMap((node) => node.slots ?? []).reduce((sum, [from, to]) => sum + to - from + 1, 0);
      expect(slots).toBe(16_384);
    }
  });

  it('gives one call a deadline of its own', async () => {
    const { connection } = await connect();
    const busy = new RedisScript('busy', 'local n = 0 while n < tonumber(ARGV[1]) do n = n + 1 end return n', 1);

    const outcome = await outcomeOf(connection.run(busy, [uniqueKey('busy')], [3e6], { timeoutMs: 5 }));

    expect(outcome.error).toMatchObject({
      code: 'REDIS_TIMEOUT',
      command: expect.stringMatching(/^eval/),
      timeoutMs: expect.any(Number),
    });
    expect(outcome.tookMs).toBeLessThan(500);
  });
});

describe('a connection that reads from replicas', () => {
  it.each(['sentinel', 'cluster'] as const)('sends reads of a %s to one, and writes to the master', async (mode) => {
    const { connection } = await openConnection({
      ...sharedServers()[mode],
      readFrom: 'replica',
    } as RedisConnectionOptions);
    await untilUp(connection);
    const key = uniqueKey('replica');
    await connection.client.set(key, 'value');

    // GEOHASH only reads, and no other spec uses it.
    for (let call = 0; call < 20; call++) await connection.client.call('geohash', uniqueKey('none'), 'x');

    const { masters, replicas } = await connection.topology();
    expect(await sumOfCalls(masters.map(({ address }) => address))).toBe(0);
    expect(await sumOfCalls(replicas.map(({ address }) => address))).toBeGreaterThanOrEqual(20);
    expect(await connection.client.set(key, 'again')).toBe('OK');
  });

  async function sumOfCalls(addresses: string[]): Promise<number> {
    const counts = addresses.map(async (address) => {
      const [host, port] = address.split(':');
      const server = new Redis({ host: host!, port: Number(port) });
      const stats = await server.info('commandstats');
      server.disconnect();
      return Number(/cmdstat_geohash:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }
});

describe('a standalone connection', () => {
  it('goes over a unix socket', async () => {
    const server = await startStandalone({ unixSocket: true });
    const { connection } = await openConnection({ mode: 'standalone', url: `unix://${server.socketPath}?db=3` });

    await connection.client.set('key', 'value');

    expect(await connection.topology()).toMatchObject({ masters: [{ address: server.socketPath }] });
    expect(await connection.client.client('INFO')).toMatch(/ db=3 /);
    await closeConnections();
    await server.stop();
  });

  it('logs in as an ACL user, and says what is wrong when it may not', async () => {
    const server = await startStandalone();
    await server.call('ACL', 'SETUSER', 'app', 'on', '>s3cret', '~app:*', '+@all', '-@dangerous', '+info');
    const url = `redis://app:s3cret@127.0.0.1:${server.port}`;
    const { connection } = await openConnection({ mode: 'standalone', url });

    await connection.client.set('app:key', 'value');
    await expect(connection.client.set('other', 'value')).rejects.toThrow('NOPERM');

    const { connection: wrong, logs } = await openConnection({ mode: 'standalone', url, password: 'wr0ng' });
    const refused = new Promise<void>((resolve) => wrong.on('down', resolve));
    const outcome = await outcomeOf(wrong.client.get('app:key'));
    await refused;
    expect(outcome.error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
    expect(outcome.error?.message).toContain('WRONGPASS');
    expect(logs.join('\n')).toContain('WRONGPASS');
    expect(logs.join('\n')).not.toContain('wr0ng');
    await closeConnections();
    await server.stop();
  });

  it('speaks TLS, and refuses a certificate that it cannot verify', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'nuthatch-tls-'));
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '1', ...subject],
      {
        stdio: 'ignore',
      },
    );
    const server = await startStandalone({ tls: { key, cert, ca: cert } });
    const url = `rediss://127.0.0.1:${server.port}`;

    const { connection } = await openConnection({ mode: 'standalone', url, tls: { ca: readFileSync(cert) } });
    await connection.client.set('key', 'value');
    const values = await Promise.all(Array.from({ length: 100 }, () => connection.client.get('key')));
    expect(values).toEqual(Array.from({ length: 100 }, () => 'value'));

    const { connection: stranger } = await openConnection({ mode: 'standalone', url });
    const outcome = await outcomeOf(stranger.client.get('key'));
    expect(outcome.error).toMatchObject({ code: 'REDIS_UNREACHABLE' });
    await closeConnections();
    await server.stop();
    rmSync(folder, { recursive: true });
  });
});

describe('two applications in one process', () => {
  it('do not meet: closing one leaves the other running', async () => {
    const options: RedisConnectionOptions = { mode: 'standalone', url: sharedTopologies().standalone.url };
    const first = await openConnection(options);
    const second = await openConnection(options);
    await Promise.all([untilUp(first.connection), untilUp(second.connection)]);

    await first.app.close();

    await expect(first.connection.client.ping()).rejects.toMatchObject({ code: 'REDIS_UNREACHABLE' });
    await expect(second.connection.client.ping()).resolves.toBe('PONG');
  });
});
