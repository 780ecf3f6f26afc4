import { median } from '../../summary.mjs';
import { isRecord } from '../../systems/records.mjs';
import { map, ours, peers, raw } from './contenders.mjs';
import { fill, proveInvalidation } from './fills.mjs';

const SIZES = [
  ['1k', 1_000],
  ['100k', 100_000],
  ['1m', 1_000_000],
];
const WANTED = 1_000;
const FILLED = 50_000;
const ROOM = { maxEntries: 2_000_000, maxBytes: '8GB' };

const growth = SIZES.flatMap(([size, entries]) => {
  const base = {
    entries,
    bytes: 60,
    stores: false,
    cores: 'one',
    long: size === '1m',
    prepare: (control) => fill(control, entries),
  };
  const isRight = isRecord(base);
  const among = entries.toLocaleString('en-US');
  return [
    // The target is for a thousand entries that are wanted among so many: what the others cost is growth. Where all are wanted, a Map
    // itself takes twenty times as long, because few are in the caches of the CPU.
    ...[
      [`local-${size}`, `hit in process of ${WANTED.toLocaleString('en-US')} among ${among} entries`, WANTED],
      [`local-${size}-all`, `hit in process of any among ${among} entries`, entries],
    ]
      .filter(([, , wanted], index) => index === 0 || wanted > WANTED)
      .map(([name, title, wanted]) => ({
        ...base,
        wanted,
        isRight: isRecord({ ...base, wanted }),
        name,
        title,
        concurrency: 1,
        tight: true,
        held: true,
        // Where the memory of a process lies is half of such a difference.
        processes: wanted === WANTED ? 3 : 1,
        contenders: [map, { ...ours, name: 'nuthatch get', operation: 'get', local: ROOM }],
      })),
    // The target is for one call at a time: of many at once, one command of ours reads what raw reads by one each, and the smaller the
    // set is the more of the time is what that saves.
    ...[
      [`shared-${size}`, 1],
      [`shared-${size}-c64`, 64],
    ].map(([name, concurrency]) => ({
      ...base,
      isRight,
      name,
      title: `hit in Redis among ${among} entries, concurrency ${concurrency}`,
      concurrency,
      contenders: [
        { ...raw, operation: 'get' },
        { ...ours, name: 'nuthatch get', operation: 'get', local: false },
      ],
    })),
  ];
});

const memory = {
  name: 'memory',
  title: `${FILLED.toLocaleString('en-US')} entries of 300 B`,
  bytes: 300,
  cores: 'one',
  concurrency: 64,
  stores: false,
  flushes: true,
  warmUpRounds: 0,
  rounds: 1,
  operationsPerRound: FILLED,
  isRight: () => true,
  contenders: [
    { ...raw, operation: 'fill' },
    { ...raw, name: 'the same, with the names of nuthatch', operation: 'fillLongName' },
    { ...ours, name: 'nuthatch set', operation: 'fill', local: false },
    ...peers({ operation: 'fill' }),
  ],
};

const invalidations = [
  ['10', 10],
  ['1m', 1_000_000],
].map(([size, entries]) => ({
  name: `invalidate-${size}`,
  title: `invalidation of a tag over ${entries.toLocaleString('en-US')} entries`,
  bytes: 60,
  cores: 'one',
  concurrency: 1,
  stores: false,
  long: size === '1m',
  prepare: (control) => fill(control, entries, { tag: 'everything' }),
  proves: (cache) => proveInvalidation(cache, entries, 'everything'),
  isRight: () => true,
  contenders: [
    { ...raw, name: 'HINCRBY', operation: 'invalidateTag' },
    { ...ours, name: 'nuthatch invalidateTags', operation: 'invalidateTag' },
  ],
}));

const invalidating = (size) => ({
  scenario: `invalidate-${size}`,
  contender: 'nuthatch invalidateTags',
  what: 'per invalidation',
  of: ({ opsPerSecond }) => 1_000 / opsPerSecond,
  atMost: 1,
  unit: ' ms',
});

export const sizes = {
  scenarios: [memory, ...invalidations, ...growth],
  targets: [
    {
      scenario: 'memory',
      contender: 'nuthatch set',
      what: 'of the memory of raw',
      field: 'memoryBytes',
      against: raw.name,
      atMost: 1.15,
      unit: 'x',
    },
    {
      scenario: 'memory',
      contender: 'nuthatch set',
      what: 'of the memory of raw with the same names',
      field: 'memoryBytes',
      against: 'the same, with the names of nuthatch',
      atMost: 1.15,
      unit: 'x',
    },
    invalidating('10'),
    invalidating('1m'),
  ],
  conclude: (results) => [
    ...['local', 'shared'].flatMap((tier) => growthLine(tier, results)),
    ...invalidationLine(results),
  ],
};

/** How far the ratios of the sizes are apart. */
function growthLine(tier, results) {
  const ratios = SIZES.flatMap(([size]) => {
    const row = results[`${tier}-${size}`]?.['nuthatch get'];
    return row ? [[size, 1 / row.speed.median]] : [];
  });
  if (ratios.length < 2) return [];
  const numbers = ratios.map(([, ratio]) => ratio);
  const spread = Math.max(...numbers) / Math.min(...numbers) - 1;
  const shown = ratios.map(([size, ratio]) => `${size} ${ratio.toFixed(2)}x`).join(', ');
  const verdict = spread <= 0.2 ? 'met' : 'NOT MET';
  return [
    `target: times the baseline within 20% of each other, ${tier}: ${shown}: ${Math.round(spread * 100)}%  ${verdict}`,
  ];
}

function invalidationLine(results) {
  const [few, many] = ['10', '1m'].map((size) => results[`invalidate-${size}`]?.['nuthatch invalidateTags']);
  if (!few || !many) return [];
  const ratio = median(many.rounds.map(({ ns }) => ns)) / median(few.rounds.map(({ ns }) => ns));
  const verdict = ratio <= 1.2 ? 'met' : 'NOT MET';
  return [`target: <= 1.2x the time over 10 entries: ${ratio.toFixed(2)}x  ${verdict}  (invalidate-1m)`];
}
