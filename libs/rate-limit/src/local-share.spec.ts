import { describe, expect, it } from '@jest/globals';
import type { Rule } from './drivers/rate-limit-driver.js';
import { shareOf } from './local-share.js';

const common = { id: 7, cost: 1, shadow: false };
const rules: Rule[] = [
  { ...common, kind: 'gcra', emissionUs: 1_000, burst: 10 },
  { ...common, kind: 'fixedWindow', limit: 10, perUs: 1_000 },
  { ...common, kind: 'slidingWindow', limit: 10, bucketUs: 100, buckets: 10 },
  { ...common, kind: 'slidingLog', limit: 10, perUs: 1_000 },
];
const atOnce = (rule: Rule): number => (rule.kind === 'gcra' ? rule.burst : rule.limit);

describe('The share of a limit that one process gives by itself', () => {
  it.each(rules)('is all of it where there is no other: %j', (rule) => {
    expect(shareOf(rule, 1)).toEqual(rule);
  });

  it('is as much less at once, and as much slower, as there are processes', () => {
    expect(rules.map((rule) => shareOf(rule, 4))).toEqual([
      { ...common, kind: 'gcra', emissionUs: 4_000, burst: 2 },
      { ...common, kind: 'fixedWindow', limit: 2, perUs: 1_000 },
      { ...common, kind: 'slidingWindow', limit: 2, bucketUs: 100, buckets: 10 },
      { ...common, kind: 'slidingLog', limit: 2, perUs: 1_000 },
    ]);
  });

  it.each(rules)('never adds up to more than the limit while each can give one: %j', (rule) => {
    for (let processes = 1; processes <= 10; processes++) {
      expect(atOnce(shareOf(rule, processes)) * processes).toBeLessThanOrEqual(10);
    }
  });

  it.each(rules)('is enough for the call, however many processes there are: %j', (rule) => {
    expect(atOnce(shareOf(rule, 1_000))).toBe(1);
    expect(atOnce(shareOf({ ...rule, cost: 6 }, 4))).toBe(6);
  });

  it('leaves the rule as it was', () => {
    const rule = Object.freeze({ ...rules[0]! });

    expect(shareOf(rule, 4)).toMatchObject({ id: 7, cost: 1, shadow: false });
    expect(rule).toEqual(rules[0]);
  });
});
