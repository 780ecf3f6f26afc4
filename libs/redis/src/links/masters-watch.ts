import type { Cluster } from 'ioredis';

const LOOK_EVERY_MS = 500;
// What changes in CLUSTER INFO when a master is promoted, joins with slots, or loses its last one.
const VIEW = /^cluster_(?:current_epoch|size|slots_assigned):.*$/gm;
// News takes a second to get around, and the node that is asked for the map need not be the one that had it.
const READS_PER_CHANGE = 4;

/**
 * Makes a Cluster client read the map of slots within two seconds after the masters have changed, which it does otherwise
 * only when a command of its own fails. Asks one master after the other: one that is cut off from the rest knows of
 * nothing. Ends by the function that is returned.
 */
export function watchMasters(cluster: Cluster): () => void {
  let turn = 0;
  let seen: string | undefined;
  let reads = 0;

  const look = async (): Promise<void> => {
    const masters = cluster.nodes('master');
    const master = masters[turn++ % masters.length];
    if (cluster.status !== 'ready' || !master) return;
    const view = String(String(await master.cluster('INFO')).match(VIEW));
    // As long as the masters disagree each look differs from the one before. The first look has nothing to compare with.
    if (view !== seen) reads = READS_PER_CHANGE;
    seen = view;
    if (reads-- > 0) cluster.refreshSlotsCache();
  };

  const timer = setInterval(() => {
    look().catch(() => 'the next look asks another master');
  }, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
