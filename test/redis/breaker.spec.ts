import { RedisUnreachableError } from '@nuthatch/redis';
import { startProxy, startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, untilUp } from './open-connection.js';

describe('the circuit breaker of a connection', () => {
  let server: RedisServer;

  beforeEach(async () => {
    server = await startStandalone();
  });

  afterEach(async () => {
    await closeConnections();
    server.resume();
    await server.stop();
  });

  const connect = (resetAfter: '200ms' | '30s' = '30s') =>
    openConnection({ mode: 'standalone', url: server.url, commandTimeout: '200ms', breaker: { resetAfter } });

  it('opens after five failures: from then on calls fail at once, and one line is logged', async () => {
    const { connection, logs } = await connect();
    await untilUp(connection);
    server.pause();

    for (let call = 0; call < 5; call++) await expect(connection.client.get('key')).rejects.toThrow();
    const outcomes = [];
    for (let call = 0; call < 1_000; call++) outcomes.push(await outcomeOf(connection.client.get('key')));

    expect(outcomes.every(({ error }) => error instanceof RedisUnreachableError)).toBe(true);
    expect(outcomes[0]?.error?.message).toMatch(/calls fail at once after \d+ failures in a row; next try in \d+ms/);
    expect(outcomes.reduce((sum, { tookMs }) => sum + tookMs, 0) / outcomes.length).toBeLessThan(0.5);
    expect(connection.state).toBe('down');
    expect(logs.filter((line) => line.includes('is down'))).toHaveLength(1);
  });

  it('closes as soon as the server answers a handshake, long before its time is over', async () => {
    const { connection } = await connect();
    await untilUp(connection);
    await server.kill();
    for (let call = 0; call < 6; call++) await outcomeOf(connection.client.get('key'));
    await expect(connection.client.get('key')).rejects.toThrow('calls fail at once');

    await server.restart();
    await untilUp(connection);

    await expect(connection.client.ping()).resolves.toBe('PONG');
  });

  it('lets one call probe after its time, and opens again when that fails', async () => {
    const { connection } = await connect('200ms');
    await untilUp(connection);
    server.pause();
    for (let call = 0; call < 5; call++) await outcomeOf(connection.client.get('key'));
    await new Promise((resolve) => setTimeout(resolve, 250));

    const [probe, other] = await Promise.all([
      outcomeOf(connection.client.get('key')),
      outcomeOf(connection.client.get('key')),
    ]);

    expect(probe.error?.message).not.toContain('calls fail at once');
    expect(other.error?.message).toContain('calls fail at once');
    expect(other.error).toMatchObject({ code: 'REDIS_UNREACHABLE', outcome: 'not-executed' });
    await expect(connection.client.get('key')).rejects.toThrow('calls fail at once');
  });

  it('closes at once when the probe succeeds', async () => {
    const proxy = await startProxy(server);
    // Replies that come too late: the link lives, so that only a probe can find out that they are in time again.
    const { connection } = await openConnection({
      mode: 'standalone',
      url: `redis://${proxy.host}:${proxy.port}`,
      commandTimeout: '100ms',
      silenceTimeout: '10s',
      breaker: { resetAfter: '300ms' },
    });
    await untilUp(connection);
    proxy.delay(150);
    for (let call = 0; call < 5; call++) await outcomeOf(connection.client.get('key'));
    expect(connection.state).toBe('down');
    proxy.delay(0);
    await new Promise((resolve) => setTimeout(resolve, 500));

    await expect(connection.client.get('key')).resolves.toBeNull();

    expect(connection.state).toBe('ready');
    await expect(connection.client.get('key')).resolves.toBeNull();
    await closeConnections();
    await proxy.stop();
  });

  it('is probed by the next call, a whole pipeline at that, once a late reply shows that the server was only slow', async () => {
    const proxy = await startProxy(server);
    const { connection } = await openConnection({
      mode: 'standalone',
      url: `redis://${proxy.host}:${proxy.port}`,
      commandTimeout: '100ms',
      silenceTimeout: '10s',
    });
    await untilUp(connection);
    proxy.delay(300);
    await Promise.all(Array.from({ length: 20 }, () => outcomeOf(connection.client.get('key'))));
    expect(connection.state).toBe('down');
    proxy.delay(0);
    await new Promise((resolve) => setTimeout(resolve, 400));

    const replies = await connection.client.pipeline().set('key', 'value').get('key').get('none').exec();

    expect(replies).toEqual([
      [null, 'OK'],
      [null, 'value'],
      [null, null],
    ]);
    expect(connection.state).toBe('ready');
    await closeConnections();
    await proxy.stop();
  });

  it('is not opened by replies that are errors', async () => {
    const { connection } = await connect();
    await connection.client.set('text', 'value');

    for (let call = 0; call < 10; call++)
      await expect(connection.client.lpush('text', 'x')).rejects.toThrow('WRONGTYPE');

    await expect(connection.client.get('text')).resolves.toBe('value');
  });

  it('tells listeners of down and up, each once', async () => {
    const { connection } = await connect();
    await untilUp(connection);
    const events: string[] = [];
    connection.on('down', () => events.push('down'));
    const off = connection.on('up', () => events.push('up'));

    await server.kill();
    for (let call = 0; call < 8; call++) await outcomeOf(connection.client.get('key'));
    await server.restart();
    await untilUp(connection);
    expect(events).toEqual(['down', 'up']);

    off();
    await server.restart();
    await untilUp(connection);
    expect(events.filter((event) => event === 'up')).toHaveLength(1);
  });
});
