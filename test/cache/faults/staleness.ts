import { randomUUID } from 'node:crypto';
import { eventually } from '../../harness/index.js';
import type { CacheProcess } from './cache-process.js';
import type { Sightings, Telling, Tellings } from './worker-messages.js';

/** What came of reading and writing the same rows in several processes for a while. */
export interface StalenessReport {
  /** What the writer itself read although it had told the cache of a newer version. */
  readonly stale: string[];
  /** The longest that any reader was served a version after the cache had been told of the next one, in milliseconds. */
  readonly longestMs: number;
  readonly versions: number;
}

/**
 * Has one process write rows of a database, and tell the cache of each change, while others read them through the cache,
 * as long as `during` takes. Then each process must come to see the last version of each row.
 */
export async function measureStaleness(
  writer: CacheProcess,
  readers: readonly CacheProcess[],
  tellings: Telling[],
  during: () => Promise<unknown>,
): Promise<StalenessReport> {
  const rows = Array.from({ length: 6 }, () => `row-${randomUUID()}`);
  await Promise.all(readers.map((reader) => reader.cache.watch(rows)));
  await writer.cache.write(rows, tellings);
  try {
    await during();
  } finally {
    await untilCurrent([writer, ...readers], rows, await writer.cache.unwrite());
  }
  const { tellings: told, stale } = await writer.cache.unwrite();
  const seen = await Promise.all(readers.map((reader) => reader.cache.unwatch()));
  const versions = Math.max(...[...told.values()].flatMap((row) => [...row.keys()]));
  return { stale, versions, longestMs: Math.max(...seen.map((sightings) => longest(sightings, told))) };
}

async function untilCurrent(
  processes: readonly CacheProcess[],
  rows: readonly string[],
  { tellings }: { tellings: Tellings },
): Promise<void> {
  for (const row of rows) {
    const last = Math.max(...tellings.get(row)!.keys());
    await eventually(`every process sees version ${last} of ${row}`, async () => {
      const seen = await Promise.all(processes.map(({ cache }) => cache.row(row)));
      if (seen.some((version) => version !== last)) throw new Error(`they see ${seen.join()}`);
      return true;
    });
  }
}

function longest(seen: Sightings, told: Tellings): number {
  let longestMs = 0;
  for (const [row, versions] of told) {
    const order = [...versions];
    for (const [version, lastSeenAt] of seen.get(row)!) {
      const next = order.find(([later]) => later > version);
      if (next) longestMs = Math.max(longestMs, lastSeenAt - next[1]);
    }
  }
  return longestMs;
}
