import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { sharedTopologies, startStandalone, type RedisServer } from './index.js';
import { findRedisBinary, planInstall } from './redis-binary.js';

describe('The shared topologies', () => {
  it('are running before the first spec', async () => {
    const { standalone, sentinel, cluster } = sharedTopologies();
    const client = new Redis(standalone.url);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    expect(sentinel.sentinels).toHaveLength(3);
    expect(cluster.nodes).toHaveLength(6);
  });

  it('say how to run a spec that was started without them', () => {
    const published = process.env['NUTHATCH_SHARED_TOPOLOGIES'];
    delete process.env['NUTHATCH_SHARED_TOPOLOGIES'];
    expect(sharedTopologies).toThrow(/--selectProjects redis/);
    process.env['NUTHATCH_SHARED_TOPOLOGIES'] = published;
  });
});

describe('A standalone server', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startStandalone({ unixSocket: true, args: ['--maxmemory', '20mb'] });
  });

  afterAll(() => server.stop());

  it('answers at its url and on its Unix socket', async () => {
    await server.call('SET', 'bird', 'nuthatch');
    const clients = [new Redis(server.url), new Redis(server.socketPath ?? '')];
    expect(await Promise.all(clients.map((client) => client.get('bird')))).toEqual(['nuthatch', 'nuthatch']);
    for (const client of clients) client.disconnect();
  });

  it('takes arguments and CONFIG SET', async () => {
    expect(await server.call('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', String(20 * 2 ** 20)]);
    await server.configSet('maxmemory-policy', 'allkeys-lru');
    expect(await server.call('CONFIG', 'GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'allkeys-lru']);
  });

  it('forgets scripts when told to', async () => {
    const sha = String(await server.call('SCRIPT', 'LOAD', 'return 1'));
    await server.flushScripts();
    await expect(server.call('EVALSHA', sha, 0)).rejects.toThrow('NOSCRIPT');
  });

  it('counts the commands that it has run', async () => {
    await server.call('CONFIG', 'RESETSTAT');
    await server.call('SET', 'counted', 1);
    await server.call('SET', 'counted', 2);
    const stats = await server.commandStats();
    expect(stats['set']).toEqual({ calls: 2, usec: expect.any(Number) });
    expect(stats['config|resetstat']?.calls).toBe(1);
  });

  it('is silent while paused and answers what was asked once it resumes', async () => {
    server.pause();
    const answer = server.call('PING');
    expect(await Promise.race([answer, tick(200)])).toBe('nothing');
    server.resume();
    expect(await answer).toBe('PONG');
  });

  it('comes back empty on the same port after kill -9', async () => {
    const { pid, port } = server;
    await server.call('SET', 'volatile', 1);
    await server.kill();
    expect(isAlive(pid)).toBe(false);
    await expect(server.call('PING')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await server.call('GET', 'volatile')).toBeNull();
  });
});

describe('A server of a special kind', () => {
  const started: RedisServer[] = [];
  const directory = mkdtempSync(path.join(tmpdir(), 'nuthatch-tls-'));

  afterEach(() => Promise.all(started.splice(0).map((server) => server.stop())));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('asks for its password', async () => {
    const server = await startStandalone({ args: ['--requirepass', 'secret'] });
    started.push(server);
    expect(await server.call('PING')).toBe('PONG');
    const stranger = new Redis(server.url, { retryStrategy: null, enableReadyCheck: false, disableClientInfo: true });
    stranger.on('error', () => undefined);
    await expect(stranger.get('bird')).rejects.toThrow('NOAUTH');
    stranger.disconnect();
  });

  it('speaks TLS with the certificate that it was given', async () => {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(directory, name)) as [string, string];
    const request = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
    execFileSync('openssl', ['req', ...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const server = await startStandalone({ tls: { key, cert, ca: cert } });
    started.push(server);
    expect(server.url).toMatch(/^rediss:/);
    expect(await server.call('PING')).toBe('PONG');
  });

  it('shows the end of its log when it does not start', async () => {
    await expect(startStandalone({ args: ['--no-such-option', '1'] })).rejects.toThrow(
      /did not start[^]*no-such-option/,
    );
  });

  it('says so when the port that it must have is taken', async () => {
    const { port } = sharedTopologies().standalone;
    await expect(startStandalone({ port })).rejects.toThrow('Address already in use');
  });

  it('leaves neither process nor folder behind when it stops, even if it is paused', async () => {
    const server = await startStandalone({ unixSocket: true });
    const folder = path.dirname(server.socketPath ?? '');
    expect(readdirSync(folder)).toContain('redis.sock');
    server.pause();
    await server.stop();
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('The Redis binary', () => {
  const none = { apt: false, brew: false, root: false, passwordlessSudo: false };

  it('is the one that REDIS_SERVER_BIN names', () => {
    expect(findRedisBinary({ REDIS_SERVER_BIN: process.execPath })).toBe(process.execPath);
    expect(() => findRedisBinary({ REDIS_SERVER_BIN: '/nowhere/redis' })).toThrow('"/nowhere/redis"');
  });

  it('is looked for on PATH', () => {
    expect(findRedisBinary()).toMatch(/(redis|valkey)-server$/);
    expect(findRedisBinary({ PATH: '/nowhere' })).toBeUndefined();
  });

  it('is installed where that takes no password', () => {
    expect(planInstall({ ...none, apt: true, root: true })).toMatchObject({ kind: 'run' });
    expect(planInstall({ ...none, apt: true, passwordlessSudo: true })).toMatchObject({ kind: 'run' });
    expect(planInstall({ ...none, brew: true })).toEqual({ kind: 'run', commands: ['brew install redis'] });
  });

  it('is asked for with the command to type where it takes one', () => {
    const command = 'sudo apt-get update && sudo apt-get install -y redis-server';
    expect(planInstall({ ...none, apt: true })).toEqual({ kind: 'ask', command });
  });
});

function tick(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve('nothing'), ms));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
