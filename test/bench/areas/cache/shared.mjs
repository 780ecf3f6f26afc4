import { isRecord } from '../../systems/records.mjs';
import { autoPipelining, ours, peers, raw } from './contenders.mjs';

const noLocal = { ...ours, local: false };
const base = { bytes: 1_024, cores: 'one' };
base.isRight = isRecord(base);
const hit = {
  ...base,
  contenders: [
    { ...raw, operation: 'get' },
    { ...autoPipelining, operation: 'get' },
    { ...noLocal, name: 'nuthatch get', operation: 'get' },
    { ...noLocal, name: 'nuthatch getOrSet', operation: 'getOrSet' },
    ...peers({ operation: 'get' }),
  ],
};
const hitOfSize = { ...hit, contenders: hit.contenders.filter(({ redisOptions, peer }) => !redisOptions && !peer) };
const set = {
  ...base,
  isRight: () => true,
  contenders: [
    { ...raw, operation: 'set' },
    { ...autoPipelining, operation: 'set' },
    { ...noLocal, name: 'nuthatch set', operation: 'set' },
    ...peers({ operation: 'set' }),
  ],
};
const script = { ...raw, name: 'one plain script', tagged: true };
const tagged = { ...base, bytes: 300, concurrency: 64 };
const taggedPeers = (operation) => peers({ operation, tagged: true }, ['bentocache', 'cacheable']);

const scenarios = [
  { name: 'hit-c1', title: 'hit of 1 KB in Redis, concurrency 1', concurrency: 1, processes: 3, ...hit },
  { name: 'hit-c64', title: 'hit of 1 KB in Redis, concurrency 64', concurrency: 64, ...hit },
  {
    name: 'hit-100b-c64',
    title: 'hit of 100 B in Redis, concurrency 64',
    concurrency: 64,
    ...hitOfSize,
    bytes: 100,
    long: true,
  },
  {
    name: 'hit-16kb-c64',
    title: 'hit of 16 KB in Redis, concurrency 64',
    concurrency: 64,
    ...hitOfSize,
    bytes: 16_384,
    long: true,
  },
  {
    ...tagged,
    name: 'tagged-hit-c64',
    title: 'hit of 300 B with two tags in Redis, concurrency 64',
    contenders: [
      { ...script, operation: 'getTagged' },
      { ...noLocal, name: 'nuthatch get', operation: 'get', tagged: true },
      { ...noLocal, name: 'nuthatch getOrSet', operation: 'getOrSet', tagged: true },
      ...taggedPeers('get'),
    ],
  },
  { name: 'set-c1', title: 'set of 1 KB, concurrency 1', concurrency: 1, ...set, long: true },
  { name: 'set-c64', title: 'set of 1 KB, concurrency 64', concurrency: 64, ...set },
  {
    ...tagged,
    name: 'set-tags-c64',
    title: 'set of 300 B with two tags, concurrency 64',
    isRight: () => true,
    contenders: [
      { ...script, operation: 'setTagged' },
      { ...noLocal, name: 'nuthatch set', operation: 'setTagged', tagged: true },
      ...taggedPeers('set'),
    ],
  },
];

const get = { scenario: 'hit-c64', contender: 'nuthatch get' };
const taggedGet = { scenario: 'tagged-hit-c64', contender: 'nuthatch get' };
const taggedSet = { scenario: 'set-tags-c64', contender: 'nuthatch set' };
const speedOfRaw = (what, atLeast) => ({ what, of: ({ speed }) => speed.median, atLeast, unit: 'x' });
const speedOf = (peer, times) => ({
  what: `of the time of ${peer}`,
  field: 'ns',
  against: peer,
  atMost: Number((1 / times).toFixed(3)),
  unit: 'x',
});
const redisCpuOf = (row) => ({
  what: `of the Redis CPU of ${row}`,
  field: 'redisCpuUs',
  against: row,
  atMost: 0.333,
  unit: 'x',
});
const oneCommand = {
  what: 'commands',
  of: ({ commands }) => Object.values(commands).reduce((sum, calls) => sum + calls, 0),
  atMost: 1.004,
  unit: '',
};

export const shared = {
  scenarios,
  targets: [
    { ...get, ...speedOfRaw('the speed of raw', 1.3) },
    { ...get, ...speedOf('bentocache', 2) },
    { ...get, ...redisCpuOf(raw.name) },
    { ...get, ...redisCpuOf('bentocache') },
    {
      scenario: 'hit-c1',
      contender: 'nuthatch get',
      what: 'the time of raw',
      of: ({ speed }) => 1 / speed.median,
      atMost: 1.1,
      unit: 'x',
    },
    { ...taggedGet, ...oneCommand },
    { ...taggedGet, ...speedOfRaw('the speed of one plain script', 1.2) },
    { ...taggedGet, ...speedOf('bentocache', 6) },
    { ...taggedSet, ...oneCommand },
    { ...taggedSet, ...speedOfRaw('the speed of one plain script', 1.2) },
  ],
};
