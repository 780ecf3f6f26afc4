import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type RedisServer, type SentinelTopology } from '../../harness/index.js';
import { machineTime } from '../history/events.js';
import type { Torment } from './faults.js';

const HOLDS_MS = 5_000;
const WITHIN_MS = 30_000;

/** Cuts the master from its replicas, lets it confirm what they never hear of, and kills it. */
export function losing(sentinel: SentinelTopology): Torment {
  return async (contention) => {
    await sentinel.untilHealthy();
    const [master, replicas] = [await sentinel.master(), await sentinel.replicas()];
    const from = machineTime();
    const heal = await cutReplication(master, replicas);
    // The locks of this one outlive the failover, and are then granted to others, too.
    const holder = contention.worker(contention.anyWorker());
    const held = holder.ask(
      { order: 'hold', key: contention.random.pick(contention.keys), forMs: HOLDS_MS },
      WITHIN_MS,
    );
    await sleep(contention.random.between(300, 600));
    await contention.outage(undefined, async () => {
      await master.kill();
      await sentinel.waitForNewMaster(master);
      // Each process has to find the new master, too.
      await contention.untilGrants(contention.grants + 20, 15_000);
    });
    await held;
    contention.losses.push({ from, to: machineTime() });
    await heal();
    await master.restart();
    await sentinel.untilHealthy();
    contention.count('lose master');
  };
}

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
