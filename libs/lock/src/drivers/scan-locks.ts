import { Cluster, type Redis } from 'ioredis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { LockState } from './lock-driver.js';

const KEYS_PER_PAGE = 500;

/** Passes over all locks whose keys match a glob, on all masters. Of one that moves between servers meanwhile both may tell. */
export async function* scanLocks(
  connection: ServerConnection,
  glob: string,
  read: (key: string, parts: readonly string[], nowUs: number) => LockState | undefined,
): AsyncIterable<LockState> {
  const seen = new Set<string>();
  for (const master of connection.masters()) {
    let cursor = '0';
    do {
      const [next, keys] = await master.scan(cursor, 'MATCH', glob, 'COUNT', KEYS_PER_PAGE, 'TYPE', 'list');
      cursor = next;
      const fresh = keys.filter((key) => !seen.has(key));
      for (const key of fresh) seen.add(key);
      for (const state of await readAll(connection, master, fresh, read))
        if (state && state.holders.length + state.waiters.length > 0) yield state;
    } while (cursor !== '0');
  }
}

async function readAll(
  { client }: ServerConnection,
  master: Redis,
  keys: readonly string[],
  read: (key: string, parts: readonly string[], nowUs: number) => LockState | undefined,
): Promise<(LockState | undefined)[]> {
  const [seconds, micros] = await master.time();
  // By the client of the whole Cluster: the key may have moved since.
  const from: Redis | Cluster = client;
  const parts = await Promise.all(keys.map((key) => from.lrange(key, 0, -1)));
  return parts.map((part, index) => read(keys[index]!, part, Number(seconds) * 1_000_000 + Number(micros)));
}
