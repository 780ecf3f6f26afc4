import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

const START_ATTEMPTS = 100;

/** Starts a Redis that nobody else uses and that keeps nothing on disk. */
export async function startRedisServer() {
  const port = await freePort();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'nuthatch-bench-'));
  const options = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: directory, loglevel: 'warning' };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  endWith(child, directory);

  // RESP2, because there the bytes of a reply to INFO are known; the counters are corrected by them.
  const control = new Redis({ port, protocol: 2, lazyConnect: true, retryStrategy: () => null });
  control.on('error', () => 'the attempts below report it');
  const stop = async () => {
    control.disconnect();
    child.kill();
    await Promise.race([exited, sleep(3_000, undefined, { ref: false })]);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  };
  try {
    await connect(control, child);
  } catch (error) {
    await stop();
    throw error;
  }
  const version = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout)?.[1];
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid, version, control, stop };
}

async function connect(control, child) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await control.connect();
    } catch (error) {
      if (attempt === START_ATTEMPTS || child.exitCode !== null) {
        throw new Error(`redis-server did not start: ${error.message}`, { cause: error });
      }
      await sleep(50);
    }
  }
}

/** A benchmark that is interrupted leaves no server behind. */
function endWith(child, directory) {
  process.once('exit', () => {
    // A Redis that is frozen heeds no other signal.
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}
