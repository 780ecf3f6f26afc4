import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { gcra, slidingWindow, type RateLimitModuleOptions } from '@nuthatch/rate-limit';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { sharedServers } from '../redis/open-connection.js';

const LIMIT = 5_000;
const CALLS = 10_000;
const AN_HOUR_MS = 3_600_000;
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});

/** Starts a process that limits by this Redis. @param clockShiftMs by how much its clocks are wrong */
async function startProcess(connection: RedisConnectionOptions, clockShiftMs = 0): Promise<ChildProcess> {
  const options: RateLimitModuleOptions = {
    redisTimeout: '10s',
    denyCache: false,
    policies: { hot: gcra({ limit: LIMIT, per: '7d' }), window: slidingWindow({ limit: LIMIT, per: '7d' }) },
  };
  const child = fork(path.join(import.meta.dirname, 'limit-worker.ts'), [JSON.stringify([connection, options])], {
    execArgv: [
      '--import',
      path.join(import.meta.dirname, '../harness/source-hooks.mjs'),
      '--no-warnings=ExperimentalWarning',
    ],
    env: { ...process.env, NODE_OPTIONS: '', SPEC_CLOCK_SHIFT_MS: String(clockShiftMs) },
  });
  running.push(child);
  await once(child, 'message');
  return child;
}

interface Outcome {
  readonly allowed: number;
  readonly alone: number;
}

async function consume(child: ChildProcess, policy: string, subject: string): Promise<Outcome> {
  child.send({ policy, subject, calls: CALLS });
  const [outcome] = (await once(child, 'message')) as [Outcome];
  return outcome;
}

describe('four processes with ten thousand calls each', () => {
  it.each(['standalone', 'sentinel', 'cluster'] as const)(
    'admit exactly the limit of one subject, though the clock of one is off by an hour (%s)',
    async (mode) => {
      const shifts = [0, 0, 0, AN_HOUR_MS];
      const processes = await Promise.all(shifts.map((shift) => startProcess(sharedServers()[mode], shift)));
      for (const policy of ['hot', 'window']) {
        const subject = randomUUID();
        const outcomes = await Promise.all(processes.map((child) => consume(child, policy, subject)));

        expect(outcomes.reduce((sum, { allowed }) => sum + allowed, 0)).toBe(LIMIT);
        expect(outcomes.map(({ alone }) => alone)).toEqual([0, 0, 0, 0]);
      }
    },
    60_000,
  );
});
