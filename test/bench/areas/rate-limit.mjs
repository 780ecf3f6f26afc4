import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';

const counter = { name: 'a counter by a script', system: 'raw-limits' };
const ours = { system: 'nuthatch-limits' };
const base = { cores: 'one', isRight: ({ allowed }) => allowed };
const one = {
  ...base,
  contenders: [
    { ...counter, operation: 'one' },
    { ...ours, name: 'nuthatch, gcra', operation: 'one' },
    { ...ours, name: 'nuthatch, slidingWindow', operation: 'window' },
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
    ...base,
    name: 'memory',
    title: '50,000 subjects, each met once',
    concurrency: 64,
    operationsPerRound: 50_000,
    rounds: 1,
    warmUpRounds: 0,
    flushes: true,
    contenders: [
      { ...counter, operation: 'fill' },
      { ...ours, name: 'nuthatch, one policy', operation: 'fill' },
      { ...ours, name: 'nuthatch, four policies', operation: 'fillFour' },
    ],
  },
];

const speed = ({ speed: ratio }) => ratio.median;
const memory = { field: 'memoryBytes', unit: 'x' };
const TARGETS = [
  {
    scenario: 'one-c64',
    contender: 'nuthatch, gcra',
    what: 'the speed of a counter',
    of: speed,
    atLeast: 1,
    unit: 'x',
  },
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
    scenario: 'memory',
    contender: 'nuthatch, one policy',
    what: 'of the memory of a counter',
    against: counter.name,
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
