import { isRecord } from '../../systems/records.mjs';
import { map, ours, peers } from './contenders.mjs';

const hit = { bytes: 300, cores: 'one', concurrency: 1, tight: true, held: true };
hit.isRight = isRecord(hit);
const MOST_GET = 4;
const MOST_OTHER = 6;

const scenarios = [
  {
    ...hit,
    name: 'local-get',
    title: 'hit in process through get(), 1,000 keys, 300 B',
    contenders: [
      map,
      { ...ours, name: 'nuthatch get', operation: 'get' },
      { ...ours, name: 'nuthatch get, tagged', operation: 'get', tagged: true },
      ...peers({ local: true, operation: 'get' }),
    ],
  },
  {
    ...hit,
    name: 'local-load',
    title: 'the same through getOrSet() and methods',
    contenders: [
      map,
      { ...ours, name: 'nuthatch getOrSet', operation: 'getOrSet' },
      { ...ours, name: 'nuthatch getOrSet, tagged', operation: 'getOrSet', tagged: true },
      { ...ours, name: 'nuthatch getOrSet, options', operation: 'getOrSetWithTtl' },
      { ...ours, name: 'nuthatch @Cacheable', operation: 'byText' },
      { ...ours, name: 'nuthatch @Cacheable, tagged', operation: 'byText', tagged: true },
      { ...ours, name: 'nuthatch @Cacheable, key a list', operation: 'byList' },
      ...peers({ local: true, operation: 'getOrSet' }),
    ],
  },
  {
    ...hit,
    name: 'local-tagged',
    title: 'the same through get(), with two tags',
    contenders: [
      map,
      { ...ours, name: 'nuthatch get, tagged', operation: 'get', tagged: true },
      ...peers({ local: true, operation: 'get', tagged: true }, ['bentocache', 'cacheable']),
    ],
  },
];

/** How many times as long as the baseline it takes. */
const timesAsLong = (scenario, atMost) => (contender) => ({
  scenario,
  contender,
  what: 'the time of a bare Map',
  of: ({ speed }) => 1 / speed.median,
  atMost,
  unit: 'x',
});
const noCommands = (scenario) => (contender) => ({
  scenario,
  contender,
  what: 'Redis commands per hit',
  of: ({ commands }) => Object.values(commands).reduce((sum, calls) => sum + calls, 0),
  atMost: 0,
  unit: '',
});
const oursIn = (index) =>
  scenarios[index].contenders.filter(({ system }) => system === ours.system).map(({ name }) => name);

export const local = {
  scenarios,
  targets: [
    ...oursIn(0).map(timesAsLong('local-get', MOST_GET)),
    ...oursIn(1).map(timesAsLong('local-load', MOST_OTHER)),
    ...oursIn(2).map(timesAsLong('local-tagged', MOST_GET)),
    ...oursIn(2).map(noCommands('local-tagged')),
  ],
};
