import { describe, expect, it } from '@jest/globals';
import { OptionsReader } from '@nuthatch/redis/internal';
import { resolveLease, type Lease, type LeaseOptions } from './lease-options.js';

const policy = { perUs: 1_000_000, capacity: 100 };

function resolve(raw: unknown, of: Parameters<typeof resolveLease>[2] = policy): { lease?: Lease; mistakes: string[] } {
  const mistakes: string[] = [];
  const reader = new OptionsReader({ lease: raw }, 'policy', mistakes);
  const lease = resolveLease(reader, raw as LeaseOptions, of, 'policy', mistakes);
  reader.rejectUnknown();
  return { ...(lease && { lease }), mistakes };
}

describe('The options of a lease', () => {
  it('are none by default', () => {
    expect(resolve(undefined)).toEqual({ mistakes: [] });
  });

  it('are read as units and microseconds', () => {
    const lease = { size: 100, forUs: 100_000, perUs: 1_000_000 };
    expect(resolve({ size: 100, for: '100ms' })).toEqual({ lease, mistakes: [] });
    expect(resolve({ size: 500, for: '100ms' }, { perUs: 1_000_000, capacity: undefined }).lease?.size).toBe(500);
  });

  it.each([
    ['100ms', ['policy.lease is of type string. Give an object.']],
    [null, ['policy.lease is null. Give an object.']],
    [{ size: 1, for: '100ms' }, ['policy.lease.size is 1. Give a whole number of 2 or more.']],
    [{ for: '100ms' }, ['policy.lease.size is 0. Give a whole number of 2 or more.']],
    [{ size: 101, for: '1ms' }, ['policy.lease.size is 101, more than the 100 that can be had at once. Lower it.']],
    [{ size: 2, for: '101ms' }, ['policy.lease.for is 101ms, longer than a tenth of "per". Give 100ms at most.']],
    [{ size: 2, for: 100 }, [`policy.lease.for is 100. Write the unit: '100ms'.`]],
    [{ size: 2 }, ["policy.lease.for is undefined. Write a length of time with its unit, for example '100ms'."]],
    [{ size: 2, for: '1ms', every: '1s' }, ['policy.lease.every is not an option. Known here: size, for.']],
  ])('are refused at boot when they are wrong: %j', (raw, mistakes) => {
    expect(resolve(raw)).toEqual({ mistakes });
  });

  it('say that a window is too short for any lease', () => {
    expect(resolve({ size: 2, for: '1ms' }, { perUs: 5_000, capacity: 10 }).mistakes).toEqual([
      'policy.lease.for is 1ms, longer than a tenth of "per". Leave the lease out.',
    ]);
  });
});
