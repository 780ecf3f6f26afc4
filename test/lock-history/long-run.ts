// `npm run test:lock -- --minutes 10 --seed 7`: histories of contention, one after the other, until the time is over or one is wrong.
import { parseArgs } from 'node:util';
import { ensureRedisBinary } from '../harness/redis-binary.js';
import { describeReport, summarizeReport } from './run/contention.js';
import { runCluster, runSentinel, runStandalone } from './run/runs.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const minutes = readNumber('minutes', values.minutes);
const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : readNumber('seed', values.seed);
const runs = { standalone: runStandalone, cluster: runCluster, sentinel: runSentinel };
const chosen = Object.entries(runs).filter(([name]) => values.only === undefined || values.only === name);
if (chosen.length === 0) throw new Error(`--only ${values.only}: use one of ${Object.keys(runs).join(', ')}.`);

ensureRedisBinary();
const endsAt = performance.now() + minutes * 60_000;
let [grants, wrong] = [0, 0];
for (let seed = firstSeed; performance.now() < endsAt; seed++) {
  for (const [name, run] of chosen) {
    const report = await run({ seed, grants: 5_000, patienceMs: 20_000 });
    grants += report.grants;
    console.log(`seed ${seed}, ${name}: ${summarizeReport(report)}`);
    if (report.violations.length === 0) continue;
    wrong += 1;
    console.error(describeReport(report, seed));
  }
}
console.log(`${grants} grants, ${wrong} histories with violations`);
process.exit(wrong > 0 ? 1 : 0);

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  throw new Error(`--${name} is "${text}". Give a number.`);
}
