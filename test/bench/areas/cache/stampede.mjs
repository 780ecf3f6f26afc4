import { embedded, ours, peers, raw } from './contenders.mjs';

const base = { bytes: 300, concurrency: 1, countsLoads: true, stores: false, operationsPerRound: 1, warmUpRounds: 6 };
base.isRight = (answer) => answer.id === 0;

const scenarios = [
  {
    ...base,
    name: 'stampede',
    title: '4 processes with 200 callers each of a cold key, load of 50 ms; op = all of them',
    cores: 'all',
    together: 4,
    contenders: [
      { ...raw, name: 'raw ioredis with a lock', operation: 'stampede' },
      { ...ours, name: 'nuthatch getOrSet', operation: 'stampede' },
      { ...ours, name: 'nuthatch getOrSet, not local', operation: 'stampede', local: false, namespace: 'two' },
      ...peers({ local: true, operation: 'stampede' }),
    ],
  },
  {
    ...base,
    name: 'stampede-embedded',
    title: '200 callers of a cold key in one process, load of 50 ms',
    cores: 'one',
    long: true,
    contenders: [
      { ...raw, name: 'raw ioredis with a lock', operation: 'stampede' },
      { ...embedded, name: 'nuthatch getOrSet, embedded', operation: 'stampede' },
    ],
  },
];

const stampede = { scenario: 'stampede', contender: 'nuthatch getOrSet' };
const loads = {
  what: 'loads of a cold key',
  of: (row) => Math.max(...row.rounds.map((round) => round.loads)),
  atMost: 1,
  unit: '',
};

export const stampedes = {
  scenarios,
  targets: [
    { ...stampede, ...loads },
    {
      ...stampede,
      what: 'Redis commands',
      of: ({ commands }) => Object.values(commands).reduce((sum, calls) => sum + calls, 0),
      atMost: 19,
      unit: '',
    },
    { ...stampede, what: 'beside the load', of: ({ besideMs }) => besideMs, atMost: 10, unit: ' ms' },
    { scenario: 'stampede-embedded', contender: 'nuthatch getOrSet, embedded', ...loads },
  ],
};
