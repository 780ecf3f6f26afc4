import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { countingLoader, stampedeOn } from './loads.mjs';
import { dataOf, keyOf, storeAll, tagsOf } from './records.mjs';

const TTL_MS = 300_000;
const POLL_MS = 5;

// The plain way to tags: a hash of versions, and each value with those that its tags had.
const SET_TAGGED = `
local v = redis.call('HMGET', KEYS[2], ARGV[1], ARGV[2])
local head = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. (v[1] or '0') .. ' ' .. (v[2] or '0') .. ' '
redis.call('SET', KEYS[1], head .. ARGV[3], 'PX', ARGV[4])`;
const GET_TAGGED = `
local s = redis.call('GET', KEYS[1])
if not s then return nil end
local a, b, x, y, p = s:match('^(%S+) (%S+) (%d+) (%d+) ()')
local v = redis.call('HMGET', KEYS[2], a, b)
if (v[1] or '0') ~= x or (v[2] or '0') ~= y then return nil end
return s:sub(p)`;

/** The least that a cache on Redis can be: a command and JSON. */
export async function open({ url, name, scenario, redisOptions = {}, tagged = false }) {
  const client = new Redis(url, redisOptions);
  client.defineCommand('setTagged', { numberOfKeys: 2, lua: SET_TAGGED });
  client.defineCommand('getTagged', { numberOfKeys: 2, lua: GET_TAGGED });
  const { keys, records, ring, order, mask } = dataOf(scenario);
  const { load, loads } = countingLoader(records[0]);

  const get = async (key) => {
    const text = await client.get(key);
    return text === null ? undefined : JSON.parse(text);
  };
  const getTagged = async (key) => {
    const text = await client.getTagged(key, 'tags');
    return text === null ? undefined : JSON.parse(text);
  };
  const set = (key, value) => client.set(key, JSON.stringify(value), 'PX', TTL_MS);
  const setTagged = (key, id) => client.setTagged(key, 'tags', ...tagsOf(id), JSON.stringify(records[id]), TTL_MS);
  const stampede = stampedeOn(name, oneLoad(client, get, set, load));

  if (scenario.stores !== false) {
    await storeAll(keys, (key, id) => (tagged ? setTagged(key, id) : set(key, records[id])));
  }
  return {
    operations: {
      get: (index) => get(ring[index & mask]),
      getTagged: (index) => getTagged(ring[index & mask]),
      set: (index) => set(ring[index & mask], records[order[index & mask]]),
      setTagged: (index) => setTagged(ring[index & mask], order[index & mask]),
      fill: (index) => set(`${keyOf(index)}:fill`, records[index % records.length]),
      fillLongName: (index) => set(`app:cache:default:${keyOf(index)}:fill`, records[index % records.length]),
      invalidateTag: () => client.hincrby('tags', 'everything', 1),
      stampede: stampede.operation,
    },
    beforeRound: stampede.beforeRound,
    loads: scenario.countsLoads ? loads : undefined,
    close: () => client.quit(),
  };
}

/** One load in the process, and among processes by a lock that is polled: what is found in many applications. */
function oneLoad(client, get, set, load) {
  const running = new Map();
  const loadOnce = async (key) => {
    for (;;) {
      const hit = await get(key);
      if (hit !== undefined) return hit;
      if ((await client.set(`lock:${key}`, '1', 'PX', 10_000, 'NX')) === 'OK') {
        const value = await load();
        await set(key, value);
        await client.del(`lock:${key}`);
        return value;
      }
      await sleep(POLL_MS);
    }
  };
  return (key) => {
    const shared = running.get(key);
    if (shared) return shared;
    const result = loadOnce(key).finally(() => running.delete(key));
    running.set(key, result);
    return result;
  };
}
