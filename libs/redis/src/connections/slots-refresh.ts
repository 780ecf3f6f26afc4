import type { Cluster } from 'ioredis';

const STEADY_MS = 10_000;
const UNREST_MS = 500;
const UNREST_LASTS_MS = 15_000;

/**
 * Keeps the map of slots of a Cluster client up to date when no command does: now and then, and often for a while after a
 * node was lost, so that a quiet process, too, learns of a failover. Ends with the client.
 */
export function keepSlotsFresh(cluster: Cluster): void {
  let unrestUntil = 0;
  let timer: NodeJS.Timeout | undefined;

  const schedule = (): void => {
    clearTimeout(timer);
    const inUnrest = performance.now() < unrestUntil;
    timer = setTimeout(refresh, inUnrest ? UNREST_MS : STEADY_MS).unref();
  };
  const refresh = (): void => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
    schedule();
  };

  cluster.on('ready', schedule);
  cluster.on('-node', () => {
    if (cluster.status !== 'ready') return;
    unrestUntil = performance.now() + UNREST_LASTS_MS;
    schedule();
  });
  cluster.on('end', () => clearTimeout(timer));
}
