import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, untilUp, uniqueKey } from './open-connection.js';

// Timers fire late on a busy machine; what must not happen is a promise that stays.
const SLACK_MS = 400;

describe('every call settles by its deadline', () => {
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

  const connect = (extra: object = {}) =>
    openConnection({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}`, ...extra });

  it('when no server is there', async () => {
    await server.kill();
    proxy.cut();
    const { connection } = await connect();

    const outcome = await outcomeOf(connection.client.get('key'));

    expect(outcome.error).toBeInstanceOf(RedisUnreachableError);
    expect(outcome.error).toMatchObject({ code: 'REDIS_UNREACHABLE', outcome: 'not-executed', connection: 'default' });
    expect(outcome.tookMs).toBeLessThan(1_000 + SLACK_MS);
  });

  it('when the server hangs', async () => {
    const { connection } = await connect();
    await untilUp(connection);
    server.pause();

    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(connection.client.incr('counter'))));

    for (const { error, tookMs } of outcomes) {
      expect(error).toBeInstanceOf(RedisTimeoutError);
      expect(error).toMatchObject({ command: 'incr', timeoutMs: 1_000, outcome: 'unknown' });
      expect(tookMs).toBeLessThan(1_000 + SLACK_MS);
    }
    server.resume();
  });

  it('when a pipeline and a transaction meet a server that hangs', async () => {
    const { connection } = await connect({ commandTimeout: '300ms' });
    await untilUp(connection);
    server.pause();

    const [pipeline, transaction] = await Promise.all([
      outcomeOf(connection.client.pipeline().get('a').get('b').exec()),
      outcomeOf(connection.client.multi().incr('a').incr('b').exec()),
    ]);

    const errors = (pipeline.value as [Error, unknown][]).map(([error]) => error);
    expect(errors).toEqual([expect.any(RedisTimeoutError), expect.any(RedisTimeoutError)]);
    expect(transaction.error).toBeInstanceOf(RedisTimeoutError);
    expect(Math.max(pipeline.tookMs, transaction.tookMs)).toBeLessThan(300 + SLACK_MS);
    server.resume();
  });

  it('when a load balancer accepts and closes', async () => {
    proxy.acceptAndClose();
    const { connection } = await connect();

    const outcome = await outcomeOf(connection.client.get('key'));

    expect(outcome.error).toBeInstanceOf(RedisUnreachableError);
    expect(outcome.tookMs).toBeLessThan(1_000 + SLACK_MS);
  });

  it('when something accepts and never answers, and recovers when it does', async () => {
    proxy.acceptAndSilence();
    const { connection } = await connect();

    const outcome = await outcomeOf(connection.client.get('key'));
    expect(outcome.error).toBeInstanceOf(RedisTimeoutError);
    expect(outcome.tookMs).toBeLessThan(1_000 + SLACK_MS);

    proxy.heal();
    await untilUp(connection);
    await expect(connection.client.get('key')).resolves.toBeNull();
  });

  it('when the socket dies under a command, which then is not sent again', async () => {
    const { connection } = await connect();
    await untilUp(connection);
    const key = uniqueKey('counter');
    await connection.client.incr(key);

    proxy.dropReply(1);
    const outcome = await outcomeOf(connection.client.incr(key));

    expect(outcome.error).toBeInstanceOf(RedisUnreachableError);
    expect(outcome.error).toMatchObject({ outcome: 'unknown' });
    expect(outcome.tookMs).toBeLessThan(1_000 + SLACK_MS);
    await untilUp(connection);
    expect(await connection.client.get(key)).toBe('2');
  });

  it('when the link goes half-open: the connection finds out by itself and makes a new one', async () => {
    const { connection } = await connect({ commandTimeout: '300ms' });
    await untilUp(connection);
    proxy.blackhole();
    const lost = new Promise<void>((resolve) => connection.on('down', resolve));

    const outcome = await outcomeOf(connection.client.get('key'));
    expect(outcome.error).toBeInstanceOf(RedisTimeoutError);
    expect(outcome.tookMs).toBeLessThan(300 + SLACK_MS);

    await lost;
    proxy.heal();
    const startedAt = performance.now();
    await untilUp(connection);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await expect(connection.ping()).resolves.toBeGreaterThan(0);
  });

  it('while it waits for a connection, and it does not run afterwards', async () => {
    const key = uniqueKey('late');
    proxy.acceptAndSilence();
    const { connection } = await connect({ commandTimeout: '300ms' });

    const outcome = await outcomeOf(connection.client.incr(key));
    expect(outcome.error).toMatchObject({ code: 'REDIS_TIMEOUT', outcome: 'not-executed' });

    proxy.heal();
    await untilUp(connection);
    await connection.client.ping();
    expect(await server.call('EXISTS', key)).toBe(0);
  });

  it('also on an application that is closed meanwhile', async () => {
    const { connection, app } = await connect();
    await untilUp(connection);
    server.pause();

    const pending = outcomeOf(connection.client.get('key'));
    await app.close();

    expect((await pending).error).toBeInstanceOf(RedisTimeoutError);
    await expect(connection.client.get('key')).rejects.toThrow(
      'Redis connection "default" is unreachable: it is closed.',
    );
    expect(connection.state).toBe('closed');
    server.resume();
  });
});
