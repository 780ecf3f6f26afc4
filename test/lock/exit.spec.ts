import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { LockService } from '@nuthatch/lock';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeLocks, holdersOf, openLocks, untilFree, untilWaiting, waitersOf } from './open-locks.js';

let server: RedisServer;
let locks: LockService;
const running: ChildProcess[] = [];

beforeAll(async () => {
  server = await startStandalone();
  locks = (await openLocks({ mode: 'standalone', url: server.url })).locks;
});
afterAll(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await closeLocks();
  await server.stop();
});

interface App {
  readonly child: ChildProcess;
  readonly output: () => string;
  ended(): Promise<{ readonly tookMs: number; readonly code: number | null; readonly signal: string | null }>;
}

/** Starts an application that waits for a lock of ours, holds one, and is in a section. */
async function startApp(prefix: string, sectionMs: number): Promise<App> {
  const setup = { connection: { mode: 'standalone', url: server.url }, sectionMs, prefix };
  const child = fork(path.join(import.meta.dirname, 'lock-app.ts'), [JSON.stringify(setup)], {
    execArgv: [
      '--import',
      path.join(import.meta.dirname, '../harness/source-hooks.mjs'),
      '--no-warnings=ExperimentalWarning',
    ],
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  running.push(child);
  let output = '';
  child.stdout!.on('data', (chunk) => (output += chunk));
  const exit = once(child, 'exit');
  await once(child, 'message');
  await untilWaiting(server, escaped(`${prefix}:wanted`));
  return {
    child,
    output: () => output,
    async ended() {
      const startedAt = performance.now();
      const timer = setTimeout(() => child.kill('SIGKILL'), 9_000);
      const [code, signal] = (await exit) as [number | null, string | null];
      clearTimeout(timer);
      return { tookMs: performance.now() - startedAt, code, signal };
    },
  };
}

const escaped = (key: string): string => key.replaceAll(':', '%3A');

describe('An application that ends', () => {
  it('lets its sections end, gives back its locks and its places, and its process ends by itself', async () => {
    const wanted = await locks.acquire('close:wanted');
    const app = await startApp('close', 700);
    app.child.send('close');
    const { tookMs, code } = await app.ended();

    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(5_000);
    expect(app.output().split('\n')).toEqual([
      'wait LOCK_ABORTED',
      'section over',
      'aborted LOCK_EXPIRED',
      'closed',
      '',
    ]);
    expect(await holdersOf(server, escaped('close:held'))).toEqual([]);
    expect(await holdersOf(server, escaped('close:section'))).toEqual([]);
    expect(await waitersOf(server, escaped('close:wanted'))).toEqual([]);
    await wanted.release();
    await untilFree(server, escaped('close:wanted'), 1_000);
  });

  it('by SIGTERM takes its locks from sections that do not end', async () => {
    const wanted = await locks.acquire('term:wanted');
    const app = await startApp('term', 60_000);
    const next = locks.acquire('term:section', { wait: '9s' });
    app.child.kill('SIGTERM');
    const { tookMs, signal } = await app.ended();

    expect(signal).toBe('SIGTERM');
    expect(tookMs).toBeLessThan(5_000);
    expect(app.output()).toContain('aborted LOCK_EXPIRED');
    for (const key of ['held', 'section']) {
      if (key === 'section') await (await next).release();
      expect(await holdersOf(server, escaped(`term:${key}`))).toEqual([]);
    }
    await wanted.release();
    await untilFree(server, escaped('term:wanted'), 1_000);
  });

  it('by SIGTERM ends also when Redis stands still', async () => {
    const wanted = await locks.acquire('still:wanted');
    const app = await startApp('still', 60_000);
    server.pause();
    app.child.kill('SIGTERM');
    const { tookMs, signal } = await app.ended();
    server.resume();

    expect(signal).toBe('SIGTERM');
    expect(tookMs).toBeLessThan(6_500);
    await wanted.release().catch(() => undefined);
  });

  it('by SIGKILL holds others up for no longer than it takes to notice', async () => {
    const wanted = await locks.acquire('kill:wanted');
    const app = await startApp('kill', 60_000);
    const next = locks.acquire('kill:wanted', { wait: '20s' });
    await untilWaiting(server, escaped('kill:wanted'), 2);
    app.child.kill('SIGKILL');
    await app.ended();
    const releasedAt = performance.now();
    await wanted.release();
    await (await next).release();

    // That of who is dead was granted for three seconds at most, and so was its place.
    expect(performance.now() - releasedAt).toBeLessThan(4_500);
  });
});
