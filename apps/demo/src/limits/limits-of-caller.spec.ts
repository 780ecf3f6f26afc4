import { describe, expect, it } from '@jest/globals';
import type { RateLimiter } from '@nuthatch/rate-limit';
import { LimitsOfCaller } from './limits-of-caller.js';

const asked: [policies: readonly string[], subject: string][] = [];
const peek = (policies: readonly string[], subject: string): object => {
  asked.push([policies, subject]);
  return Promise.resolve({ policies: policies.map((name) => ({ name })) });
};
const limits = new LimitsOfCaller({ peek } as unknown as RateLimiter);

describe('The limits of a caller', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0:0:1::5', '2001:db8::/64'],
    ['2001:db8:0:5::1', '2001:db8:0:5::/64'],
    ['::1:2:3:4:5', '0:0:0:1::/64'],
    ['::1', '::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    [undefined, 'unknown'],
  ])('at %s are those of %s', async (address, network) => {
    asked.length = 0;
    await limits.list(address, undefined);
    expect(asked).toEqual([[['api', 'auth', 'search'], `ip:${network}`]]);
  });

  it('are also those of the user, once somebody has logged in', async () => {
    asked.length = 0;
    const list = await limits.list('192.0.2.1', { id: 'ada@example.com' });
    expect(asked[1]).toEqual([['payment', 'chat', 'upload', 'uploadsAtOnce', 'biometric'], 'user:ada@example.com']);
    expect(list.map(({ name }) => name)).toEqual(asked.flatMap(([policies]) => policies));
  });
});
