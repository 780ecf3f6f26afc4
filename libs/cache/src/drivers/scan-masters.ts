import { Cluster, type Redis } from 'ioredis';
import type { ServerConnection } from '@nuthatch/redis/internal';

const KEYS_PER_PAGE = 1_000;

/** Passes over all keys that match a glob, on all masters, in pages. A key that is there all the time is in one of them. */
export async function* scanMasters(connection: ServerConnection, glob: string): AsyncIterable<readonly string[]> {
  // Keys of a slot that has moved meanwhile may be missed on both servers: then all is done once more.
  for (let places = placesOf(connection), before = ''; places !== before; places = placesOf(connection)) {
    before = places;
    for (const master of await mastersInOrder(connection)) {
      let cursor = '0';
      do {
        const [next, keys] = await master.scan(cursor, 'MATCH', glob, 'COUNT', KEYS_PER_PAGE);
        cursor = next;
        if (keys.length > 0) yield keys;
      } while (cursor !== '0');
    }
  }
}

/** Who serves what. */
function placesOf({ client }: ServerConnection): string {
  return client instanceof Cluster ? client.slots.map((nodes) => nodes?.[0]).join() : 'one place';
}

/** Those that are just receiving slots come last: a key on its way is then met where it leaves, or where it arrives. */
async function mastersInOrder(connection: ServerConnection): Promise<Redis[]> {
  const masters = connection.masters();
  if (connection.mode !== 'cluster') return masters;
  const nodes = await Promise.all(masters.map((master) => master.cluster('NODES') as Promise<string>));
  const receives = masters.map((_, index) => /myself.*\[\d+-<-/.test(nodes[index]!));
  return [...masters.filter((_, index) => !receives[index]), ...masters.filter((_, index) => receives[index])];
}
