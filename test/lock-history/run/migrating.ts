import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterTopology } from '../../harness/index.js';
import type { Torment } from './faults.js';

/** Moves the slot of a lock to another master while it is held and waited for, and stays half-way for a while. */
export function migrating(cluster: ClusterTopology, root: string): Torment {
  return async (contention) => {
    const { random } = contention;
    const slot = cluster.slotOf(`${root}{${random.pick(contention.keys)}}`);
    const from = await cluster.ownerOfSlot(slot);
    const masters = await cluster.masters();
    const migration = await cluster.beginMigration(slot, random.pick(masters.filter((master) => master !== from)));
    await sleep(random.between(50, 400));
    await migration.finish();
    await sleep(random.between(50, 300));
    contention.count('migrate');
  };
}
