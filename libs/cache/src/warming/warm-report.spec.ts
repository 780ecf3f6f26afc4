import { describe, expect, it } from '@jest/globals';
import { WarmReport } from './warm-report.js';

describe('A report on warming', () => {
  const error = new Error('no database\n  at all');
  const report = new WarmReport(
    [
      { name: 'events', took: 40, outcome: 'done', entries: 120 },
      { name: 'flags', took: 3, outcome: 'done' },
      { name: 'venues', took: 9, outcome: 'failed', error },
      { name: 'prices', took: 1, outcome: 'skipped', reason: 'running' },
    ],
    52,
  );

  it('tells what is done, what has failed, what was skipped, and how long it took', () => {
    expect(report).toMatchObject({
      done: ['events', 'flags'],
      failed: [{ name: 'venues', error }],
      skipped: [{ name: 'prices', reason: 'running' }],
      took: 52,
    });
  });

  it('is one line in the log', () => {
    expect(`${report}`).toBe(
      'Warmed 2 of 4 in 52 ms: events 120 entries in 40 ms; flags in 3 ms; venues failed: no database at all; ' +
        'prices is being warmed already',
    );
    expect(`${new WarmReport([], 0)}`).toBe('Warmed 0 of 0 in 0 ms');
  });
});
