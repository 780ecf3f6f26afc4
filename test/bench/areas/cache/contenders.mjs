/** Rows of the tables of the cache. */
export const raw = { name: 'raw ioredis and JSON', system: 'raw-cache' };
export const autoPipelining = {
  name: 'the same, auto-pipelining',
  system: 'raw-cache',
  redisOptions: { enableAutoPipelining: true },
};
export const map = { name: 'Map in an async function', system: 'map-cache', operation: 'get' };
export const ours = { system: 'nuthatch-cache' };
export const embedded = { system: 'nuthatch-cache', embedded: true };

/** The other caches as rows that appear where `--peers` has them. */
export function peers(options, names = ['bentocache', 'cacheable', 'cache-manager']) {
  return names.map((peer) => ({ name: peer, system: 'peer-cache', peer, ...options }));
}
