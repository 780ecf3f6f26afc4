import { setTimeout as sleep } from 'node:timers/promises';
import {
  eventually,
  startCluster,
  startSentinel,
  type ClusterTopology,
  type RedisServer,
  type SentinelTopology,
} from '../../harness/index.js';
import { CacheProcess, closeProcesses, startProcesses } from './cache-process.js';
import { measureStaleness, type StalenessReport } from './staleness.js';
import type { Telling } from './worker-messages.js';

const TELLINGS: Telling[] = ['delete', 'set', 'invalidateTags'];
const ROOT = 'app:cache:';
// A breaker that opens in the middle of a failover may not try again before half a minute has passed.
const BACK_WITHIN_MS = 45_000;

/**
 * Waits until each process reads from Redis, has told it all that it had to, and has these for its masters. Servers that
 * have recovered do not mean that: a process whose breaker is open, or who takes the old master for one, reads nothing
 * from a cache that has it all.
 */
async function untilAllFollow(processes: readonly CacheProcess[], masters: readonly RedisServer[]): Promise<void> {
  const expected = portsOf(masters.map(({ port }) => port));
  await eventually(
    'every process follows the masters',
    async () => {
      await Promise.all(
        processes.map(async ({ cache }) => {
          // An open breaker closes by a call only.
          await cache.get('anything');
          const [state, ports, { journalled }] = await Promise.all([cache.state(), cache.masters(), cache.stats()]);
          if (state !== 'ready' || portsOf(ports) !== expected || journalled > 0)
            throw new Error(
              `one is ${state}, with ${journalled} notes, and follows ${portsOf(ports)}, not ${expected}`,
            );
        }),
      );
      return true;
    },
    BACK_WITHIN_MS,
  );
}

function portsOf(ports: readonly number[]): string {
  return [...ports].sort((left, right) => left - right).join();
}

/** Has all processes hold the entries, of which the third has a tag, and the replicas have them, too. */
async function share(
  processes: readonly CacheProcess[],
  keys: readonly string[],
  replicas: readonly RedisServer[],
): Promise<void> {
  const [writer] = processes as [CacheProcess];
  for (const key of keys) await writer.cache.set(key, 'old', key === keys[2] ? { tags: ['failover'] } : {});
  await Promise.all(processes.map(({ cache }) => cache.warm(...keys)));
  await eventually('the replicas have it', async () => {
    const counts = await Promise.all(
      replicas.flatMap((one) => keys.map((key) => one.call('EXISTS', `${ROOT}default:${key}`))),
    );
    return counts.length > 0 && counts.every((count) => count === 1);
  });
}

/** Has the replicas lose their master, which takes writes all the same, and confirms what they never hear of. */
async function cutReplication(master: RedisServer, replicas: readonly RedisServer[]): Promise<() => Promise<void>> {
  await Promise.all(replicas.map((replica) => replica.configSet('masterauth', 'wrong')));
  await master.call('CLIENT', 'KILL', 'TYPE', 'replica');
  await eventually('the replicas have lost it', async () => {
    const lines = await Promise.all(replicas.map(async (replica) => String(await replica.call('INFO', 'replication'))));
    return lines.every((line) => line.includes('master_link_status:down'));
  });
  return async () => {
    await Promise.all(replicas.map((replica) => replica.configSet('masterauth', '')));
  };
}

/**
 * Invalidates in every way what the failover that `lose` causes then brings back, and expects nobody to be served it once
 * the connections are up again, and the writer not once.
 *
 * @param lose returns the new master
 */
async function expectNothingReturns(
  processes: CacheProcess[],
  keys: string[],
  lose: () => Promise<RedisServer>,
): Promise<void> {
  const [writer] = processes as [CacheProcess];
  const [deleted, set, , expired] = keys as [string, string, string, string];
  await writer.cache.delete(deleted);
  await writer.cache.set(set, 'new');
  await writer.cache.invalidateTags('failover');
  await writer.cache.expire(expired);
  const seen = new Set<string>();
  let looking = true;
  const looks = (async () => {
    while (looking) for (const key of keys) seen.add(`${key}: ${String(await writer.cache.get(key))}`);
  })();

  try {
    const master = await lose();

    await eventually(
      'the new master has been told once more',
      async () => {
        const texts = await Promise.all(
          [deleted, set, expired].map((key) => master.call('GET', `${ROOT}default:${key}`)),
        );
        return texts.every((text) => !String(text).includes('old'));
      },
      5_000,
    );
    await eventually(
      'all are back',
      async () => {
        await Promise.all(processes.map(({ cache }) => cache.get('anything')));
        return (await Promise.all(processes.map(({ cache }) => cache.state()))).every((state) => state === 'ready');
      },
      BACK_WITHIN_MS,
    );
    await eventually(
      'nobody is served what was before',
      async () => {
        const values = await Promise.all(keys.map((key) => Promise.all(processes.map(({ cache }) => cache.get(key)))));
        expect(values.flat()).not.toContain('old');
        return true;
      },
      3_000,
    );
    await sleep(300);
    const values = await Promise.all(keys.map((key) => Promise.all(processes.map(({ cache }) => cache.get(key)))));
    expect(values.flat()).not.toContain('old');
  } finally {
    looking = false;
    await looks;
  }
  expect([...seen].filter((line) => line.endsWith('old'))).toEqual([]);
}

describe('while a Sentinel group', () => {
  let sentinel: SentinelTopology;
  let processes: CacheProcess[];

  beforeAll(async () => {
    sentinel = await startSentinel();
    const { name, sentinelAddresses } = sentinel;
    processes = await startProcesses(3, { mode: 'sentinel', name, sentinels: sentinelAddresses });
  }, 60_000);
  afterAll(async () => {
    await closeProcesses();
    await sentinel.stop();
  });

  const measure = (during: () => Promise<unknown>): Promise<StalenessReport> => {
    const [writer, ...readers] = processes as [CacheProcess, ...CacheProcess[]];
    return measureStaleness(writer, readers, TELLINGS, during);
  };

  it('is told to make another server the master, no invalidation is lost', async () => {
    const report = await measure(async () => {
      await sleep(300);
      await sentinel.failover();
      await sleep(300);
    });

    expect(report.stale).toEqual([]);
  }, 60_000);

  it('loses its master, no invalidation is lost', async () => {
    await sentinel.untilHealthy();
    const report = await measure(async () => {
      await sleep(300);
      const master = await sentinel.master();
      await master.kill();
      await sentinel.waitForNewMaster(master);
      await sleep(300);
      await master.restart();
    });

    expect(report.stale).toEqual([]);
  }, 60_000);

  it('loses what its master has confirmed, that is made up for', async () => {
    await sentinel.untilHealthy();
    const keys = ['deleted', 'set', 'tagged', 'expired'];
    const master = await sentinel.master();
    const replicas = await sentinel.replicas();
    await untilAllFollow(processes, [master]);
    await share(processes, keys, replicas);
    const heal = await cutReplication(master, replicas);

    await expectNothingReturns(processes, keys, async () => {
      await master.kill();
      return sentinel.waitForNewMaster(master);
    });
    await heal();
    await master.restart();
  }, 150_000);
});

describe('while a Cluster', () => {
  let cluster: ClusterTopology;
  let processes: CacheProcess[];

  beforeAll(async () => {
    cluster = await startCluster();
    processes = await startProcesses(3, { mode: 'cluster', nodes: cluster.addresses });
  }, 60_000);
  afterAll(async () => {
    await closeProcesses();
    await cluster.stop();
  });

  const measure = (during: () => Promise<unknown>): Promise<StalenessReport> => {
    const [writer, ...readers] = processes as [CacheProcess, ...CacheProcess[]];
    return measureStaleness(writer, readers, TELLINGS, during);
  };

  it('moves slots, nothing stale is served', async () => {
    const report = await measure(async () => {
      const slot = cluster.slotOf('app:cache:{tags}');
      const from = await cluster.ownerOfSlot(slot);
      const to = (await cluster.masters()).find((node) => node !== from)!;
      const there = await cluster.beginMigration(slot, to);
      await sleep(300);
      await there.finish();
      await sleep(300);
      const back = await cluster.beginMigration(slot, from);
      await sleep(300);
      await back.finish();
    });

    expect(report.stale).toEqual([]);
    expect(report.longestMs).toBeLessThan(2_200);
  }, 60_000);

  it('makes a replica the master, no invalidation is lost', async () => {
    const report = await measure(async () => {
      await sleep(300);
      const master = await cluster.ownerOf('app:cache:{tags}');
      const [replica] = await cluster.replicasOf(master);
      await cluster.promote(replica!);
      await sleep(500);
    });

    expect(report.stale).toEqual([]);
  }, 60_000);

  it('loses the master that has the tags, no invalidation is lost', async () => {
    await cluster.untilHealthy();
    const report = await measure(async () => {
      await sleep(300);
      const master = await cluster.ownerOf('app:cache:{tags}');
      await master.kill();
      await cluster.ownerOf('app:cache:{tags}');
      await sleep(500);
      await master.restart();
    });

    expect(report.stale).toEqual([]);
  }, 60_000);

  it('loses what the master of the tags has confirmed, that is made up for', async () => {
    await cluster.untilHealthy();
    await untilAllFollow(processes, await cluster.masters());
    const master = await cluster.ownerOf(`${ROOT}{tags}`);
    const replicas = await cluster.replicasOf(master);
    await Promise.all(replicas.map((replica) => replica.call('READONLY')));
    const keys: string[] = [];
    for (let index = 0; keys.length < 4; index++) {
      const owner = await cluster.ownerOf(`${ROOT}default:key-${index}`);
      if (owner === master) keys.push(`key-${index}`);
    }
    await share(processes, keys, replicas);
    const heal = await cutReplication(master, replicas);

    await expectNothingReturns(processes, keys, async () => {
      await master.kill();
      return cluster.ownerOf(`${ROOT}{tags}`);
    });
    await heal();
    await master.restart();
  }, 150_000);
});
