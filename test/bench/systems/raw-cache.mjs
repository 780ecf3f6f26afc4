import { Redis } from 'ioredis';
import { countingLoader, stampede } from './loads.mjs';
import { KEYS, makeRecords } from './records.mjs';

const TTL_MS = 300_000;

/** The least that a cache on Redis can be: a command and JSON. */
export async function open({ url, scenario, redisOptions = {} }) {
  const client = new Redis(url, redisOptions);
  const records = makeRecords(scenario.bytes);
  const { load, loads } = countingLoader(records[0]);

  const get = async (key) => {
    const text = await client.get(key);
    return text === null ? undefined : JSON.parse(text);
  };
  const set = (key, value) => client.set(key, JSON.stringify(value), 'PX', TTL_MS);
  const getOrSet = async (key) => {
    const hit = await get(key);
    if (hit !== undefined) return hit;
    const value = await load();
    await set(key, value);
    return value;
  };

  await Promise.all(KEYS.map((key, index) => set(key, records[index])));
  return {
    operations: {
      get: (index) => get(KEYS[index % KEYS.length]),
      set: (index) => set(KEYS[index % KEYS.length], records[index % KEYS.length]),
      stampede: async () => {
        await client.del('cold');
        return stampede(() => getOrSet('cold'));
      },
    },
    loads: scenario.countsLoads ? loads : undefined,
    close: () => client.quit(),
  };
}
