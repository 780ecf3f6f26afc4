import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { readEvents } from './history/tell-history.js';
import { LockProcess } from './run/lock-process.js';
import type { CycleReport } from './worker/cycles.js';

const CYCLES = 100_000;
const MEGABYTE = 1_048_576;

describe('A process that has locked and released 100,000 times, 16 at a time', () => {
  let server: RedisServer;
  let folder: string;
  let process: LockProcess;

  beforeAll(async () => {
    server = await startStandalone();
    folder = await mkdtemp(path.join(tmpdir(), 'lock-leaks-'));
    process = await LockProcess.start({
      name: 'cycler',
      folder,
      seed: 1,
      connection: { mode: 'standalone', url: server.url },
      lock: {},
      keys: [],
      tasks: 0,
      resourceUrl: server.url,
    });
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const keys = async (): Promise<string[]> => ((await server.call('KEYS', '*')) as string[]).sort();
  const channels = async (): Promise<unknown> => server.call('PUBSUB', 'CHANNELS');
  const clients = async (): Promise<number> =>
    String(await server.call('CLIENT', 'LIST'))
      .trim()
      .split('\n').length;

  it('has no more handles, keys, channels and connections than before, and ends by itself', async () => {
    const before = [await channels(), await clients()];
    const report = await process.ask<CycleReport>({ order: 'cycle', cycles: CYCLES, atATime: 16 }, 170_000);

    expect(report.after).toEqual(report.before);
    expect(report.heapGrownBytes).toBeLessThan(10 * MEGABYTE);
    expect([await channels(), await clients()]).toEqual(before);
    const left = await keys();
    expect(left).toEqual(Array.from({ length: 5 }, (_, index) => `app:lock:{cycle-${index}}`));
    for (const key of left) {
      expect(await server.call('PTTL', key)).toBeGreaterThan(0);
      // What is left of a lock is its state, and who waited last: nobody waits.
      expect(await server.call('LLEN', key)).toBeLessThanOrEqual(2);
    }

    await process.finish();
    expect(await channels()).toEqual([]);
    const events = readEvents(folder).get('cycler')!;
    expect(events.filter(({ what }) => what === 'trouble')).toEqual([]);
  }, 200_000);
});
