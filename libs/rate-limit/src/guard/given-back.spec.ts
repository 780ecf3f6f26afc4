import { describe, expect, it } from '@jest/globals';
import type { CallPart } from '../call.js';
import type { RateLimitDecision } from '../decision.js';
import { fixedWindow, type Policy } from '../policies/policy.js';
import { resolvePolicy } from '../policies/resolve-policy.js';
import { givenBack } from './given-back.js';

const partOf = (name: string, cost?: number, more: Partial<Policy> = {}): CallPart => ({
  policy: resolvePolicy(name, { ...fixedWindow({ limit: 10, per: '1m' }), ...more } as Policy, name, 'local', [])!,
  subject: 'ann',
  ...(cost !== undefined && { cost }),
});

function decisionOf(remaining: readonly number[], more: Partial<RateLimitDecision> = {}): RateLimitDecision {
  const policies = remaining.map((left) => ({
    name: 'p',
    limit: 10,
    remaining: left,
    resetMs: 5,
    denies: left === 0,
  }));
  const usual = { allowed: true, retryAfterMs: 0, resetAt: new Date(5), violated: [], shared: true };
  return { ...usual, remaining: Math.min(...remaining), policies, ...more };
}

const leftOf = ({ remaining, policies }: RateLimitDecision): [number, number[]] => [
  remaining,
  policies.map((state) => state.remaining),
];

describe('A decision of a call that is cancelled', () => {
  it('says what is left without the call, of each policy by its cost', () => {
    const parts = [partOf('usual'), partOf('own', 3), partOf('declared', undefined, { cost: 2 })];

    expect(leftOf(givenBack(decisionOf([9, 4, 6]), parts))).toEqual([7, [10, 7, 8]]);
  });

  it('does not count what is in the shadow, and what was not charged there', () => {
    const parts = [partOf('usual'), partOf('trial', undefined, { mode: 'shadow' })];

    expect(leftOf(givenBack(decisionOf([5, 0], { remaining: 5 }), parts))).toEqual([6, [6, 0]]);
    expect(leftOf(givenBack(decisionOf([3]), [parts[1]!]))).toEqual([4, [4]]);
  });

  it('adds nothing to what lets all pass while Redis is away', () => {
    const parts = [partOf('open', undefined, { onOutage: 'open' }), partOf('local')];

    expect(leftOf(givenBack(decisionOf([10, 4], { shared: false }), parts))).toEqual([5, [10, 5]]);
  });
});
