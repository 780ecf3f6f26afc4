import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { eventually, sharedTopologies, startProxy, startStandalone } from '../harness/index.js';
import { sharedServers } from './open-connection.js';

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Milliseconds from now until the process has ended, and how it ended. */
  ended(): Promise<{ tookMs: number; code: number | null; signal: string | null }>;
}

describe('an application ends by itself', () => {
  beforeAll(
    () => void execFileSync(process.execPath, [path.join(root, 'tools/build.mjs')], { stdio: 'inherit' }),
    120_000,
  );

  const run = (connection: RedisConnectionOptions, extra: object = {}): Run => {
    const script = path.join(root, 'test/redis/shutdown-app.mjs');
    const child = spawn(process.execPath, [script, JSON.stringify({ connection, ...extra })], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const exit = once(child, 'exit');
    return {
      child,
      output: () => output,
      async ended() {
        const startedAt = performance.now();
        const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
        const [code, signal] = (await exit) as [number | null, string | null];
        clearTimeout(timer);
        return { tookMs: performance.now() - startedAt, code, signal };
      },
    };
  };
  const untilRunning = (app: Run) => eventually('the application runs', () => app.output().includes('running'));

  it.each(['standalone', 'sentinel', 'cluster'] as const)(
    'after SIGTERM, on %s, with every link in use',
    async (mode) => {
      const app = run(sharedServers()[mode], { usesLinks: true });
      await untilRunning(app);

      app.child.kill('SIGTERM');
      const { tookMs, signal } = await app.ended();

      expect(signal).toBe('SIGTERM');
      expect(app.output()).toContain('drained');
      expect(tookMs).toBeLessThan(5_000);
    },
  );

  it('after SIGTERM, when Redis is hung', async () => {
    const server = await startStandalone();
    const app = run({ mode: 'standalone', url: server.url }, { usesLinks: true });
    await untilRunning(app);
    server.pause();

    app.child.kill('SIGTERM');
    const { tookMs, signal } = await app.ended();

    expect(signal).toBe('SIGTERM');
    expect(app.output()).toContain('REDIS_');
    expect(tookMs).toBeLessThan(5_000);
    server.resume();
    await server.stop();
  });

  it.each([
    ['refuses', { mode: 'standalone', url: 'redis://127.0.0.1:1' }],
    ['is no sentinel', { mode: 'sentinel', name: 'nobody', sentinels: [{ host: '127.0.0.1', port: 1 }] }],
    ['is no node', { mode: 'cluster', nodes: [{ host: '127.0.0.1', port: 1 }] }],
  ] as [string, RedisConnectionOptions][])(
    'after SIGTERM, when Redis was never reachable (%s)',
    async (_, connection) => {
      const app = run(connection);
      await untilRunning(app);

      app.child.kill('SIGTERM');
      const { tookMs, signal } = await app.ended();

      expect(signal).toBe('SIGTERM');
      expect(tookMs).toBeLessThan(5_000);
    },
  );

  it('after SIGTERM, when a black hole has taken the place of Redis', async () => {
    const proxy = await startProxy(sharedTopologies().standalone);
    const app = run({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` }, { usesLinks: true });
    await untilRunning(app);
    proxy.blackhole();

    app.child.kill('SIGTERM');
    const { tookMs } = await app.ended();

    expect(tookMs).toBeLessThan(5_000);
    await proxy.stop();
  });

  it.each([
    ['standalone', () => sharedServers().standalone],
    ['sentinel', () => sharedServers().sentinel],
    ['cluster', () => sharedServers().cluster],
    ['an unreachable server', (): RedisConnectionOptions => ({ mode: 'standalone', url: 'redis://127.0.0.1:1' })],
    [
      'unreachable sentinels',
      (): RedisConnectionOptions => ({ mode: 'sentinel', name: 'nobody', sentinels: [{ host: '127.0.0.1', port: 1 }] }),
    ],
    [
      'an unreachable cluster',
      (): RedisConnectionOptions => ({ mode: 'cluster', nodes: [{ host: '127.0.0.1', port: 1 }] }),
    ],
  ])('when its boot fails in another module (%s)', async (_, connection) => {
    const app = run(connection(), { failsToBoot: true });

    const { tookMs, code } = await app.ended();

    expect(app.output()).toContain('boot failed: another module could not start');
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(5_000);
  });
});
