import { afterAll, describe, expect, it } from '@jest/globals';
import { describeReport, summarizeReport, type ContentionReport } from './run/contention.js';
import { runCluster, runSentinel, runStandalone, type RunOptions } from './run/runs.js';

// Another one for each run of CI; LOCK_HISTORY_SEED does one again.
const SEED = Number(process.env['LOCK_HISTORY_SEED'] ?? Math.floor(Math.random() * 1_000_000));
const GRANTS = 10_000;
const summary: string[] = [];
let grants = 0;

async function judge(
  run: (options: RunOptions) => Promise<ContentionReport>,
  atLeast: number,
): Promise<ContentionReport> {
  const report = await run({ seed: SEED, grants: atLeast, patienceMs: 40_000 });
  grants += report.grants;
  summary.push(`${run.name}: ${summarizeReport(report)}`);
  if (report.violations.length > 0) throw new Error(describeReport(report, SEED));
  return report;
}

describe(`Processes that contend for locks (LOCK_HISTORY_SEED=${SEED})`, () => {
  afterAll(() => console.log([`Lock histories of seed ${SEED}:`, ...summary].join('\n  ')));

  it('are never granted one together, in whatever way the server, the network and they themselves fail', async () => {
    const { faults } = await judge(runStandalone, 6_000);

    const moments = [
      'stop when holding',
      'stop when writing',
      'stop when queued',
      'stop when handed',
      'block when holding',
    ];
    const deaths = ['die when holding', 'die when queued', 'die when handed'];
    const others = ['freeze', 'kill subscribers', 'flush scripts', 'force', 'drop replies'];
    expect(Object.keys(faults)).toEqual(expect.arrayContaining([...moments, ...deaths, ...others]));
    expect(Object.keys(faults).some((fault) => fault.startsWith('black hole'))).toBe(true);
  }, 150_000);

  it('are never granted one together while its slot moves through a Cluster', async () => {
    const { faults } = await judge(runCluster, 2_500);

    expect(faults['migrate']).toBe(3);
  }, 120_000);

  it('keep what is fenced, and know when to stop, though a failover of Sentinel loses grants', async () => {
    const { faults } = await judge(runSentinel, 2_000);

    expect(faults['lose master']).toBe(2);
  }, 120_000);

  it(`were granted at least ${GRANTS}`, () => {
    expect(grants).toBeGreaterThanOrEqual(GRANTS);
  });
});
