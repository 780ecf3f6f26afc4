import { describe, expect, it } from '@jest/globals';
import { networksOf } from '../ip/ip-networks.js';
import { resolveIpOptions } from '../ip/ip.options.js';
import { concurrency, fixedWindow, slidingLog, type Policy } from '../policies/policy.js';
import { resolvePolicy } from '../policies/resolve-policy.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import type { Caller } from './caller.js';
import { subjectsOf, waitsForUser } from './subjects-of.js';

const prefixes = resolveIpOptions(undefined, 'ip', []);

function policyOf(by: Policy['by'], policy: Policy = fixedWindow({ limit: 10, per: '1m' })) {
  return resolvePolicy('api', { ...policy, ...(by && { by }) } as Policy, 'api', 'local', [])!;
}

function callerWith(parts: Partial<Caller> & { headers?: Record<string, string> }): Caller {
  const { headers = {}, ...rest } = parts;
  const usual = { kind: 'http', endpoint: 'App/Users.list', ip: '192.0.2.1', user: undefined, request: {}, data: {} };
  return { ...usual, header: (name) => headers[name.toLowerCase()], ...rest } as Caller;
}

const partsOf = async (policy: ReturnType<typeof policyOf>, caller: Caller): Promise<[string, number, number?][]> =>
  (await subjectsOf(policy, caller, (address) => networksOf(address, prefixes))).map(({ subject, policy, times }) =>
    times === undefined ? [subject, policy.limit] : [subject, policy.limit, times],
  );

describe('Whom a policy limits', () => {
  const ann = callerWith({ user: { id: 'ann' }, headers: { 'x-api-key': 'k' } });

  it.each<[string, Policy['by'], string[]]>([
    ['the address, where it does not say', undefined, ['ip:192.0.2.1']],
    ['the user', 'user', ['user:ann']],
    ['all callers of a route', 'endpoint', ['endpoint:App/Users.list']],
    ['who sends a header', 'header:X-Api-Key', ['header:x-api-key:k']],
    ['who does not send it', 'header:x-other', ['header:x-other:']],
    ['what a function says', () => 'tenant:1', ['tenant:1']],
    ['what a function says later', async () => 'tenant:2', ['tenant:2']],
    ['nobody, where a function says so', () => undefined, []],
    ['several together', ['user', 'endpoint'], ['user:ann|endpoint:App/Users.list']],
    ['nobody, where one of several is nobody', ['user', () => undefined], []],
    [
      'each of several',
      { each: ['ip', ['user', 'endpoint'], () => undefined] },
      ['ip:192.0.2.1', 'user:ann|endpoint:App/Users.list'],
    ],
  ])('is %s', async (_, by, subjects) => {
    expect((await partsOf(policyOf(by), ann)).map(([subject]) => subject)).toEqual(subjects);
  });

  it('are all networks of an address, where wider ones have more', async () => {
    const caller = callerWith({ ip: '2001:db8:1:2::3', user: { id: 7 } });

    expect(await partsOf(policyOf('ip'), caller)).toEqual([
      ['ip:2001:db8:1:2::/64', 10],
      ['ip:2001:db8:1::/48', 160, 16],
    ]);
    expect(await partsOf(policyOf(['user', 'ip']), caller)).toEqual([
      ['user:7|ip:2001:db8:1:2::/64', 10],
      ['user:7|ip:2001:db8:1::/48', 160, 16],
    ]);
  });

  it.each<[Policy, number]>([
    [slidingLog({ limit: 100, per: '1m' }), 128],
    [concurrency({ max: 100 }), 1_000],
    [fixedWindow({ limit: 900_000_000, per: '1m' }), 1_000_000_000],
  ])('has as much of %j as there can be of it, for a wide network', async (policy, most) => {
    const [, wide] = await partsOf(policyOf(undefined, policy), callerWith({ ip: '2001:db8:1:2::3' }));

    expect(wide).toEqual(['ip:2001:db8:1::/48', most, 16]);
  });

  it('has the limit that a function says, times that of the network', async () => {
    const policy = policyOf('ip', fixedWindow({ limit: ({ ip }) => (ip ? 7 : 0), per: '1m' }));

    expect(await partsOf(policy, callerWith({ ip: '2001:db8:1:2::3' }))).toEqual([
      ['ip:2001:db8:1:2::/64', 7],
      ['ip:2001:db8:1::/48', 112, 16],
    ]);
  });

  it('has the limit that a function says later, and takes its failure as one', async () => {
    const limited = (limit: () => Promise<number>) => policyOf('ip', fixedWindow({ limit: limit as never, per: '1m' }));

    expect(
      await partsOf(
        limited(async () => 7),
        callerWith({}),
      ),
    ).toEqual([['ip:192.0.2.1', 7]]);
    await expect(
      partsOf(
        limited(() => Promise.reject(new Error('torn'))),
        callerWith({}),
      ),
    ).rejects.toThrow('torn');
  });

  it('is one for all whose address is not known, and nobody for messages that have none', async () => {
    expect(await partsOf(policyOf('ip'), callerWith({ ip: undefined }))).toEqual([['ip:unknown', 10]]);
    expect(await partsOf(policyOf('ip'), callerWith({ ip: 'x'.repeat(10_240) }))).toEqual([['ip:unknown', 10]]);
    expect(await partsOf(policyOf(['ip', 'endpoint']), callerWith({ ip: undefined, kind: 'rpc' }))).toEqual([]);
  });

  it('cannot be chosen by what is in one part of several', async () => {
    const one = callerWith({ user: 'a|endpoint:x', endpoint: 'y' });
    const other = callerWith({ user: 'a', endpoint: 'x|endpoint:y' });
    const policy = policyOf(['user', 'endpoint']);

    expect(await partsOf(policy, one)).toEqual([['user:a%7Cendpoint:x|endpoint:y', 10]]);
    expect(await partsOf(policy, other)).toEqual([['user:a|endpoint:x%7Cendpoint:y', 10]]);
    expect(await partsOf(policy, callerWith({ user: 'a%7C' }))).toEqual([['user:a%257C|endpoint:App/Users.list', 10]]);
  });

  it.each<[string, unknown, string]>([
    ['a string', 'ann', 'user:ann'],
    ['a number', 0, 'user:0'],
    ['a bigint', 12n, 'user:12'],
    ['an object with id', { id: 1, sub: 's' }, 'user:1'],
    ['an object with sub', { id: null, sub: 's' }, 'user:s'],
    ['an object with userId', { userId: 'u' }, 'user:u'],
    ['an object with _id', { _id: 'm' }, 'user:m'],
    ['a document of MongoDB', { _id: { toHexString: () => 'abc123' } }, 'user:abc123'],
    ['an object with an empty id', { id: '', sub: 's' }, 'user:s'],
    ['an object with an id that is no number', { id: Number.NaN, sub: 's' }, 'user:s'],
  ])('is the user who is %s', async (_, user, subject) => {
    expect(await partsOf(policyOf('user'), callerWith({ user }))).toEqual([[subject, 10]]);
  });

  it.each([{}, { id: {} }, { id: '' }, { id: Number.NaN }, { name: 'ann' }, [], true, undefined, null])(
    'is not known of %p',
    async (user) => {
      await expect(partsOf(policyOf('user'), callerWith({ user }))).rejects.toThrow(RateLimitCallError);
      await expect(partsOf(policyOf('user'), callerWith({ user }))).rejects.toThrow(/by: \(caller\) => \.\.\./);
    },
  );

  it.each([
    ['an empty string', ''],
    ['of type number', 5],
    ['of type object', null],
  ])('is not %s, whatever a function answers', async (what, answer) => {
    await expect(
      partsOf(
        policyOf(() => answer as string),
        ann,
      ),
    ).rejects.toThrow(what);
  });
});

describe('A policy that limits users', () => {
  it.each<[Policy['by'], boolean]>([
    ['user', true],
    [['endpoint', 'user'], true],
    [{ each: ['ip', ['user', 'endpoint']] }, true],
    ['ip', false],
    ['header:user', false],
    [{ each: ['ip', 'header:x-user'] }, false],
    [() => 'user', false],
  ])('waits for one if it is by %j: %p', (by, waits) => {
    const policy = policyOf(by);

    for (const user of [undefined, null, false, '']) expect(waitsForUser(policy, callerWith({ user }))).toBe(waits);
    for (const user of [{ id: 1 }, {}, 0, 'ann']) expect(waitsForUser(policy, callerWith({ user }))).toBe(false);
  });
});
