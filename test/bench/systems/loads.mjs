import { setTimeout as sleep } from 'node:timers/promises';

const LOAD_MS = 50;
const CALLERS = 200;

/** A loader as slow as a slow query, which counts how often it is called and for how long. */
export function countingLoader(record) {
  let count = 0;
  let ms = 0;
  return {
    load: async () => {
      count += 1;
      const startedAt = performance.now();
      await sleep(LOAD_MS);
      ms += performance.now() - startedAt;
      return record;
    },
    loads: () => ({ count, ms }),
  };
}

/** What the requests of one process do that all miss the same entry at once; a new one in each round of each row. */
export function stampedeOn(name, getOrSet) {
  let key = 'cold';
  return {
    beforeRound: (number) => (key = `cold:${name}:${number}`),
    operation: async () => {
      const records = await Promise.all(Array.from({ length: CALLERS }, () => getOrSet(key)));
      if (records.some((record) => record?.id !== records[0].id)) throw new Error('Callers got different answers.');
      return records[0];
    },
  };
}
