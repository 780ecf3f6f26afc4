import { setTimeout as sleep } from 'node:timers/promises';

const LOAD_MS = 20;

/** A loader as slow as a query, which counts how often it is called. */
export function countingLoader(record) {
  let count = 0;
  return {
    load: async () => {
      count += 1;
      await sleep(LOAD_MS);
      return record;
    },
    loads: () => count,
  };
}

/** What a hundred requests do that all miss the same entry at once. */
export async function stampede(getOrSet) {
  const records = await Promise.all(Array.from({ length: 100 }, getOrSet));
  return records.at(-1);
}
