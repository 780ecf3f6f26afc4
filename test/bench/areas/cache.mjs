import { KEYS } from '../systems/records.mjs';
import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';

const raw = { name: 'raw ioredis and JSON', system: 'raw-cache' };
const autoPipelining = {
  name: 'the same, auto-pipelining',
  system: 'raw-cache',
  redisOptions: { enableAutoPipelining: true },
};
const map = { name: 'Map and JSON.parse', system: 'map-cache' };
const onRedis = { system: 'nuthatch-cache' };
const inProcess = { system: 'nuthatch-cache', embedded: true };

const isHit = (answer, index) => answer?.id === index % KEYS.length;
const hit = {
  bytes: 1_024,
  cores: 'one',
  isRight: isHit,
  contenders: [
    { ...raw, operation: 'get' },
    { ...autoPipelining, operation: 'get' },
    { ...onRedis, name: 'nuthatch get', operation: 'get' },
    { ...onRedis, name: 'nuthatch getOrSet', operation: 'getOrSet' },
  ],
};
const hitOfSize = { ...hit, contenders: hit.contenders.filter(({ redisOptions }) => !redisOptions) };
const set = {
  bytes: 1_024,
  cores: 'one',
  isRight: (answer) => answer === 'OK' || answer === undefined,
  contenders: [
    { ...raw, operation: 'set' },
    { ...autoPipelining, operation: 'set' },
    { ...onRedis, name: 'nuthatch set', operation: 'set' },
  ],
};
const embeddedHit = {
  bytes: 1_024,
  cores: 'none',
  isRight: isHit,
  contenders: [
    { ...map, operation: 'get' },
    { ...inProcess, name: 'nuthatch get', operation: 'get' },
    { ...inProcess, name: 'nuthatch getOrSet', operation: 'getOrSet' },
  ],
};
const stampede = {
  bytes: 1_024,
  cores: 'one',
  concurrency: 1,
  countsLoads: true,
  isRight: (answer) => answer.id === 0,
  contenders: [
    { ...raw, operation: 'stampede' },
    { ...onRedis, name: 'nuthatch getOrSet', operation: 'stampede' },
    { ...inProcess, name: 'nuthatch getOrSet, embedded', operation: 'stampede' },
  ],
};

const TARGETS = ['nuthatch getOrSet', 'nuthatch getOrSet, embedded'].map((contender) => ({
  scenario: 'stampede',
  contender,
  what: 'loads of a cold key',
  of: ({ loads }) => loads,
  atMost: 1,
  unit: '',
}));

const SIZES = [
  ['100 B', 'hit-100b-c64'],
  ['1 KB', 'hit-c64'],
  ['16 KB', 'hit-16kb-c64'],
];

export const area = defineArea({
  name: 'cache',
  scenarios: [
    { name: 'hit-c1', title: 'hit of 1 KB, concurrency 1', concurrency: 1, ...hit },
    { name: 'hit-c64', title: 'hit of 1 KB, concurrency 64', concurrency: 64, ...hit },
    { name: 'hit-100b-c64', title: 'hit of 100 B, concurrency 64', concurrency: 64, ...hitOfSize, bytes: 100 },
    { name: 'hit-16kb-c64', title: 'hit of 16 KB, concurrency 64', concurrency: 64, ...hitOfSize, bytes: 16_384 },
    { name: 'set-c1', title: 'set of 1 KB, concurrency 1', concurrency: 1, ...set },
    { name: 'set-c64', title: 'set of 1 KB, concurrency 64', concurrency: 64, ...set },
    { name: 'embedded-hit-c1', title: 'embedded, hit of 1 KB, concurrency 1', concurrency: 1, ...embeddedHit },
    { name: 'embedded-hit-c64', title: 'embedded, hit of 1 KB, concurrency 64', concurrency: 64, ...embeddedHit },
    { name: 'stampede', title: '100 concurrent callers of a cold key, load of 20 ms; op = all of them', ...stampede },
  ],
  conclude: (results) => [...growthLines(results), ...targetLines(TARGETS, results)],
});

/** How the cost of a hit grows with the value. */
function growthLines(results) {
  const rows = SIZES.flatMap(([size, scenario]) => (results[scenario] ? [[size, results[scenario]]] : []));
  if (rows.length === 0) return [];
  return [raw.name, 'nuthatch getOrSet'].map((contender) => {
    const costs = rows.map(([size, row]) => `${size} ${row[contender].clientCpuUs.toFixed(1)}`);
    return `client CPU us per hit at concurrency 64, ${contender}: ${costs.join(', ')}`;
  });
}
