import { describe, expect, it } from '@jest/globals';
import { runRateLimitDriverSuite } from '../testing.js';
import { MemoryRateLimitDriver } from './memory.driver.js';
import type { Rule } from './rate-limit-driver.js';

let nowUs = 1_800_000_000_000_000;

runRateLimitDriverSuite({
  describe,
  it,
  name: 'memory',
  create: () => new MemoryRateLimitDriver(() => nowUs),
  key: (name) => name,
  elapse: async (ms) => void (nowUs += ms * 1_000),
});

describe('The memory of limits', () => {
  const MS = 1_000;
  const common = { id: 1, cost: 1, shadow: false };
  const second: Rule[] = [
    { ...common, kind: 'gcra', emissionUs: 1_000 * MS, burst: 1 },
    { ...common, kind: 'fixedWindow', limit: 1, perUs: 1_000 * MS },
    { ...common, kind: 'slidingWindow', limit: 1, bucketUs: 100 * MS, buckets: 9 },
    { ...common, kind: 'slidingLog', limit: 1, perUs: 1_000 * MS },
  ];
  const open = (): MemoryRateLimitDriver => new MemoryRateLimitDriver(() => nowUs);

  it.each(second)('holds those subjects only that still count, however many come: %j', async (rule) => {
    const driver = open();
    let most = 0;

    for (let arrival = 0; arrival < 20_000; arrival++) {
      await driver.decide([{ key: `subject-${arrival}`, rules: [rule] }], 1);
      nowUs += MS;
      most = Math.max(most, driver.size);
    }

    // A thousand count at any moment; the others wait for the sweep to come by.
    expect(most).toBeLessThan(2_500);
    expect(most).toBeGreaterThanOrEqual(1_000);
  });

  it('lets a crowd go that is not seen again, at the calls of others', async () => {
    const driver = open();
    for (let index = 0; index < 10_000; index++)
      await driver.decide([{ key: `crowd-${index}`, rules: [second[1]!] }], 1);
    expect(driver.size).toBe(10_000);
    nowUs += 1_001 * MS;

    for (let call = 0; call < 6_000; call++) await driver.decide([{ key: 'regular', rules: [second[0]!] }], 1);

    expect(driver.size).toBe(1);
  });

  it('keeps what counts and what is blocked while it sweeps', async () => {
    const driver = open();
    const hour: Rule = { ...common, kind: 'slidingLog', limit: 1, perUs: 3_600_000 * MS };
    await driver.decide([{ key: 'limited', rules: [hour] }], 1);
    await driver.block('blocked', 1, 3_600_000 * MS);
    nowUs += 60_000 * MS;

    for (let call = 0; call < 1_000; call++) await driver.decide([{ key: `other-${call}`, rules: [second[0]!] }], 1);

    expect((await driver.peek([{ key: 'limited', rules: [hour] }])).allowed).toBe(false);
    expect((await driver.peek([{ key: 'blocked', rules: [hour] }])).allowed).toBe(false);
  });

  it('holds nothing of subjects that were only looked at, denied or reset', async () => {
    const driver = open();
    const charge = [{ key: 'subject', rules: [second[0]!] }];

    await driver.peek(charge);
    await driver.decide([{ key: 'subject', rules: [{ ...second[0]!, cost: 2 }] }], 1);
    expect(driver.size).toBe(0);
    await driver.decide(charge, 1);
    expect(driver.size).toBe(1);
    await driver.reset('subject', [1]);

    expect(driver.size).toBe(0);
  });

  it.each([
    { kind: 'gcra', emissionUs: 100 * MS, burst: 2 },
    { kind: 'fixedWindow', limit: 2, perUs: 100 * MS },
    { kind: 'slidingWindow', limit: 2, bucketUs: 20 * MS, buckets: 5 },
    { kind: 'slidingLog', limit: 2, perUs: 100 * MS },
  ] as const)('frees nothing by giving back what has run off since (%j)', async (shape) => {
    const driver = open();
    const rule: Rule = { ...shape, id: 1, cost: 1, shadow: false };
    const charges = [{ key: 'subject', rules: [rule] }];
    const { nowUs: chargedAtUs, verdicts } = await driver.decide(charges, 1);
    nowUs += 130 * MS;
    for (let call = 2; (await driver.decide(charges, call)).allowed; call++);

    const { resetUs } = verdicts[0]!;
    await driver.settle([{ key: 'subject', rule, back: 1, operation: 1, chargedAtUs, resetUs }]);

    expect((await driver.decide(charges, 9)).allowed).toBe(false);
  });

  it('by its own clock never goes back, and counts in microseconds since 1970', async () => {
    const driver = new MemoryRateLimitDriver();
    const times: number[] = [];
    for (let call = 0; call < 100; call++) times.push((await driver.peek([])).nowUs);

    expect(times.every(Number.isSafeInteger)).toBe(true);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.abs(times[0]! / MS - Date.now())).toBeLessThan(60_000);
  });
});
