import { ratioOf } from '../summary.mjs';
import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';

const counter = { name: 'a counter by a script', system: 'raw-limits' };
const ours = { system: 'nuthatch-limits' };
const PEERS = ['rate-limiter-flexible', '@nest-lab/throttler-storage-redis', 'rate-limit-redis'];
/** Rows that appear where `--peers` has them. */
const peers = (operation) => PEERS.map((peer) => ({ name: peer, system: 'peer-limits', peer, operation }));

const base = { cores: 'one', isRight: ({ allowed }) => allowed };
const one = {
  ...base,
  contenders: [
    { ...counter, operation: 'one' },
    { ...ours, name: 'nuthatch, gcra', operation: 'one' },
    { ...ours, name: 'nuthatch, slidingWindow', operation: 'window' },
    ...peers('one'),
  ],
};

const scenarios = [
  { name: 'one-c1', title: 'one policy, concurrency 1', concurrency: 1, processes: 3, long: true, ...one },
  { name: 'one-c64', title: 'one policy, concurrency 64', concurrency: 64, ...one },
  {
    ...base,
    name: 'three-c64',
    title: 'three policies, concurrency 64',
    concurrency: 64,
    contenders: [
      { ...counter, name: 'three counters by three scripts', operation: 'three' },
      { ...ours, name: 'nuthatch, three calls', operation: 'threeCalls' },
      { ...ours, name: 'nuthatch, one call', operation: 'three' },
    ],
  },
  {
    name: 'denied',
    title: 'a subject that everybody is denied for, one call after the other',
    cores: 'one',
    concurrency: 1,
    denies: true,
    isRight: ({ allowed }) => !allowed,
    contenders: [
      { ...counter, operation: 'denied' },
      { ...ours, name: 'nuthatch', operation: 'denied' },
      ...peers('denied'),
      { ...peers('denied')[0], name: 'rate-limiter-flexible, inMemoryBlockOnConsumed', blocksInMemory: true },
    ],
  },
  {
    ...base,
    name: 'memory',
    title: '50,000 subjects, each met once',
    concurrency: 64,
    operationsPerRound: 50_000,
    rounds: 1,
    warmUpRounds: 0,
    flushes: true,
    contenders: [
      { ...counter, name: 'a counter with the names of nuthatch', operation: 'fill' },
      { ...counter, name: 'a counter with short names', operation: 'fillShortName' },
      { ...ours, name: 'nuthatch, one policy', operation: 'fill' },
      { ...ours, name: 'nuthatch, four policies', operation: 'fillFour' },
      ...peers('fill'),
    ],
  },
];

const TIMES_AS_FAST = 1.3;
const asFastAs = (peer) => ({
  scenario: 'one-c64',
  contender: 'nuthatch, gcra',
  what: `the speed of ${peer}`,
  of: (row, other) => 1 / ratioOf('ns', row, other),
  against: peer,
  atLeast: TIMES_AS_FAST,
  unit: 'x',
});
const denied = { scenario: 'denied', contender: 'nuthatch' };
const memory = { field: 'memoryBytes', unit: 'x' };
const TARGETS = [
  {
    scenario: 'one-c64',
    contender: 'nuthatch, gcra',
    what: 'the speed of a counter',
    of: ({ speed }) => speed.median,
    atLeast: 1,
    unit: 'x',
  },
  asFastAs('rate-limiter-flexible'),
  asFastAs('@nest-lab/throttler-storage-redis'),
  {
    scenario: 'three-c64',
    contender: 'nuthatch, one call',
    what: 'of the time of three calls',
    field: 'ns',
    against: 'nuthatch, three calls',
    atMost: 0.5,
    unit: 'x',
  },
  {
    ...denied,
    what: 'decisions per second',
    of: ({ opsPerSecond }) => opsPerSecond / 1e6,
    atLeast: 1,
    unit: ' million',
  },
  {
    ...denied,
    what: 'Redis commands per decision',
    of: ({ commands }) => Object.values(commands).reduce((sum, calls) => sum + calls, 0),
    atMost: 0,
    unit: '',
  },
  {
    scenario: 'memory',
    contender: 'nuthatch, one policy',
    what: 'of the memory of a counter with the same names',
    against: 'a counter with the names of nuthatch',
    atMost: 1.4,
    ...memory,
  },
  {
    scenario: 'memory',
    contender: 'nuthatch, four policies',
    what: 'of the memory of one policy',
    against: 'nuthatch, one policy',
    atMost: 2,
    ...memory,
  },
];

export const area = defineArea({
  name: 'rate-limit',
  scenarios,
  conclude: (results) => targetLines(TARGETS, results),
});
