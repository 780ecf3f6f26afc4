import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { WarmerReport, WarmOutcome } from './warm-report.js';
import { WarmTimer } from './warm-timer.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

let outcome: WarmOutcome;
let runs: number[];
let reports: WarmerReport[];
let timer: WarmTimer;

beforeEach(() => {
  jest.useFakeTimers();
  outcome = { outcome: 'done' };
  runs = [];
  reports = [];
});

afterEach(() => {
  timer.stop();
  jest.useRealTimers();
});

function timerWith(everyMs: number | undefined): WarmTimer {
  const run = async (): Promise<WarmerReport> => {
    runs.push(Math.round(performance.now() - startedAt));
    return { name: 'events', took: 0, ...outcome };
  };
  const startedAt = performance.now();
  return (timer = new WarmTimer(run, everyMs, (report) => void reports.push(report)));
}

describe('The timer of a warmer', () => {
  it('runs it now and every so often, and gives the first report to who started it', async () => {
    expect(await timerWith(5 * MINUTE).runNow()).toMatchObject({ name: 'events', outcome: 'done' });

    await jest.advanceTimersByTimeAsync(10 * MINUTE);

    expect(runs).toEqual([0, 5 * MINUTE, 10 * MINUTE]);
    expect(reports).toHaveLength(2);
  });

  it('keeps its pace after a failure', async () => {
    outcome = { outcome: 'failed', error: new Error('no database') };
    await timerWith(5 * MINUTE).runNow();

    await jest.advanceTimersByTimeAsync(6 * MINUTE);

    expect(runs).toEqual([0, 5 * MINUTE]);
  });

  it('waits until what another instance has warmed is no longer fresh', async () => {
    outcome = { outcome: 'skipped', reason: 'fresh', freshFor: 2 * MINUTE };
    await timerWith(5 * MINUTE).runNow();
    outcome = { outcome: 'done' };

    await jest.advanceTimersByTimeAsync(8 * MINUTE);

    expect(runs).toEqual([0, 2 * MINUTE, 7 * MINUTE]);
  });

  it.each(['running', 'redis-away'] as const)('looks again after 10s when it was skipped: %s', async (reason) => {
    outcome = { outcome: 'skipped', reason };
    await timerWith(5 * MINUTE).runNow();

    await jest.advanceTimersByTimeAsync(25_000);

    expect(runs).toEqual([0, 10_000, 20_000]);
  });

  it('looks again no later than its period', async () => {
    outcome = { outcome: 'skipped', reason: 'running' };
    await timerWith(4_000).runNow();

    await jest.advanceTimersByTimeAsync(9_000);

    expect(runs).toEqual([0, 4_000, 8_000]);
  });

  it('without a period runs it once, be it in another instance', async () => {
    for (const once of [
      { outcome: 'done' },
      { outcome: 'failed', error: new Error('no database') },
      { outcome: 'skipped', reason: 'running' },
    ] as const) {
      outcome = once;
      await timerWith(undefined).runNow();
      await jest.advanceTimersByTimeAsync(DAY);
      expect(runs.splice(0)).toEqual([0]);
    }
  });

  it('without a period still runs it when Redis has come back', async () => {
    outcome = { outcome: 'skipped', reason: 'redis-away' };
    await timerWith(undefined).runNow();
    await jest.advanceTimersByTimeAsync(15_000);
    outcome = { outcome: 'done' };

    await jest.advanceTimersByTimeAsync(DAY);

    expect(runs).toEqual([0, 10_000, 20_000]);
  });

  it('can wait for longer than a timer of Node can', async () => {
    timerWith(30 * DAY).startIn(30 * DAY);

    await jest.advanceTimersByTimeAsync(30 * DAY - 1);
    expect(runs).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);

    expect(runs).toEqual([30 * DAY]);
  });

  it('does not run after it was stopped, also when it was stopped during a run', async () => {
    timerWith(MINUTE).startIn(MINUTE);
    timer.stop();
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(runs).toEqual([]);

    const first = timerWith(MINUTE).runNow();
    timer.stop();
    await first;
    await jest.advanceTimersByTimeAsync(2 * MINUTE);

    expect(runs).toEqual([0]);
  });

  it('keeps no process alive', () => {
    jest.useRealTimers();
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();

    timerWith(MINUTE).startIn(MINUTE);

    expect(timers()).toBe(before);
  });
});
