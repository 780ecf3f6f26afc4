import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';
import { HAND_OFF_COLUMNS, handOffsAmong, worst } from './lock/hand-offs.mjs';

const raw = { name: 'raw SET NX PX, asked every 10 ms', system: 'raw-lock' };
const ours = { name: 'nuthatch', system: 'nuthatch-lock' };
const PEERS = ['redlock', '@sesamecare-oss/redlock', 'redis-semaphore', 'redlock-universal'];
/** Rows that appear where `--peers` has them. */
const peers = PEERS.map((peer) => ({ name: peer, system: 'peer-lock', peer }));
const all = (operation) => [raw, ours, ...peers].map((contender) => ({ ...contender, operation }));

const pair = {
  cores: 'one',
  splitsCommands: true,
  isRight: (outcome) => outcome === 'released',
  contenders: all('pair'),
};
const contention = {
  concurrency: 1,
  operationsPerRound: 1,
  splitsCommands: true,
  isRight: (sections) => sections > 0,
  columns: HAND_OFF_COLUMNS,
};
const PROCESSES = 5;
/** As many hand-offs however many wait. */
const between = (callers, sections) => ({
  ...contention,
  name: `hand-off-${PROCESSES * callers}`,
  title: `${PROCESSES} processes with ${callers} callers each of one key, held for 2 ms; op = a section`,
  cores: 'all',
  together: PROCESSES,
  rounds: 5,
  contenders: all('contend'),
  callers,
  sections,
  holdMs: 2,
  figures: handOffsAmong(PROCESSES * callers),
});

const lateMs =
  (of) =>
  ({ rounds }) =>
    of(...rounds.map(({ figures }) => figures.lateMs));

const scenarios = [
  {
    ...pair,
    name: 'pair-c1',
    title: 'acquire and release of 5,000 keys in turn, concurrency 1',
    concurrency: 1,
    processes: 3,
  },
  { ...pair, name: 'pair-c16', title: 'acquire and release of 5,000 keys in turn, concurrency 16', concurrency: 16 },
  between(10, 20),
  between(50, 4),
  {
    ...contention,
    name: 'one-process',
    title: '20 callers of one key in one process, 15 sections each, held for 1 ms; op = a section',
    cores: 'one',
    contenders: [{ name: 'a queue without Redis', system: 'local-lock', operation: 'contend' }, ...all('contend')],
    callers: 20,
    sections: 15,
    holdMs: 1,
    rounds: 7,
    figures: handOffsAmong(20),
  },
  {
    name: 'frozen',
    title: 'Redis frozen 0.7 s after the acquire of a lock of 2 s, for 7 s',
    cores: 'all',
    concurrency: 1,
    operationsPerRound: 1,
    rounds: 3,
    warmUpRounds: 0,
    long: true,
    freezes: true,
    timed: false,
    isRight: (times) => times === 1,
    figures: ([{ lateMs: ms }]) => ({ lateMs: ms }),
    columns: [
      ['told ms after the end of validity', ({ figures }) => figures.lateMs.toFixed(0)],
      ['[min..max]', (row) => `[${lateMs(Math.min)(row).toFixed(0)}..${lateMs(Math.max)(row).toFixed(0)}]`],
    ],
    contenders: [{ ...raw, name: 'raw SET NX PX, renewed by a timer' }, ours, ...peers].map((contender) => ({
      ...contender,
      operation: 'freeze',
    })),
  },
];

const sumOf = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const commandTarget = (scenario) => ({
  scenario,
  what: 'commands on the wire per pair',
  of: ({ sent }) => sumOf(sent),
  atMost: 2,
  unit: '',
});
const handOffTargets = (scenario) => [
  {
    scenario,
    what: 'from release to the next grant, p50',
    of: ({ figures }) => figures.p50Ms,
    atMost: 0.5,
    unit: ' ms',
  },
  { scenario, what: 'from release to the next grant, p99', of: ({ figures }) => figures.p99Ms, atMost: 3, unit: ' ms' },
  {
    scenario,
    what: 'commands per hand-off, with those in scripts',
    of: ({ commands }) => sumOf(commands),
    atMost: 8,
    unit: '',
  },
  { scenario, what: 'of the fair share for the longest wait', of: worst('fairShares'), atMost: 1.5, unit: 'x' },
];
const TARGETS = [
  // At the concurrency at which shared/peers measures it. One after the other, two scripts cost more than SET and a script.
  { scenario: 'pair-c16', what: 'the speed of raw', of: ({ speed }) => speed.median, atLeast: 0.9, unit: 'x' },
  ...['pair-c1', 'pair-c16'].map(commandTarget),
  ...['hand-off-50', 'hand-off-250'].flatMap(handOffTargets),
  {
    scenario: 'one-process',
    what: 'the time of a queue without Redis',
    of: ({ speed }) => 1 / speed.median,
    atMost: 1.3,
    unit: 'x',
  },
  {
    scenario: 'frozen',
    what: 'after the end of validity, at the latest',
    of: lateMs(Math.max),
    atMost: 0,
    unit: ' ms',
  },
  { scenario: 'frozen', what: 'after it, at the earliest', of: lateMs(Math.min), atLeast: -100, unit: ' ms' },
].map((target) => ({ contender: ours.name, ...target }));

export const area = defineArea({ name: 'lock', scenarios, conclude: (results) => targetLines(TARGETS, results) });
