import { Cluster, type Redis } from 'ioredis';

/**
 * Calls `onFailover` when another server than before answers as the master, or as one of the masters of a Cluster. Moving
 * slots between masters is none.
 */
export function followMasters(client: Redis | Cluster, onFailover: (detail: string) => void): void {
  let known: ReadonlySet<string> = new Set();
  const look = (): void => {
    const current = client instanceof Cluster ? clusterMasters(client) : singleMaster(client);
    const gone = [...known].filter((address) => !current.has(address));
    const promoted = [...current].filter((address) => !known.has(address));
    if (gone.length > 0 && promoted.length > 0) onFailover(`${promoted.join(', ')} took over from ${gone.join(', ')}.`);
    if (current.size > 0) known = current;
  };
  client.on(client instanceof Cluster ? 'refresh' : 'ready', look);
}

function singleMaster({ stream }: Redis): ReadonlySet<string> {
  return new Set(stream.remoteAddress ? [`${stream.remoteAddress}:${stream.remotePort}`] : []);
}

function clusterMasters({ slots }: Cluster): ReadonlySet<string> {
  const masters = new Set<string>();
  for (const owners of slots) {
    if (owners?.[0]) masters.add(String(owners[0]));
  }
  return masters;
}
