const KEYS = Array.from({ length: 1_000 }, (_, index) => `bench:key:${index}`);
const COUNTERS = KEYS.map((key) => `${key}:count`);
const VALUE = 'v'.repeat(100);

export const SCRIPT = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

/** The operations that every ioredis client has, ours and the plain one. */
export async function clientOperations(client) {
  client.defineCommand('benchIncrement', { numberOfKeys: 1, lua: SCRIPT });
  await client.mset(KEYS.flatMap((key) => [key, VALUE]));
  return {
    get: (index) => client.get(keyAt(index)),
    definedScript: (index) => client.benchIncrement(counterAt(index), 1),
    publish: () => client.publish('bench:channel', VALUE),
  };
}

export function counterAt(index) {
  return COUNTERS[index % COUNTERS.length];
}

function keyAt(index) {
  return KEYS[index % KEYS.length];
}
