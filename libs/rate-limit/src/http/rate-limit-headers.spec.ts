import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PolicyState, RateLimitDecision } from '../decision.js';
import { PartitionKeys } from './partition-key.js';
import { rateLimitHeaders, type HeaderPolicy } from './rate-limit-headers.js';

const SECOND = 1_000_000;
const burst: HeaderPolicy = { name: 'burst', limit: 100, perUs: 60 * SECOND };
const daily: HeaderPolicy = { name: 'daily', limit: 1_000, perUs: 86_400 * SECOND };
const atOnce: HeaderPolicy = { name: 'at-once', limit: 4, perUs: undefined };

const draft = { style: 'draft' } as const;
const legacy = { style: 'legacy' } as const;

function stateOf({ name, limit }: HeaderPolicy, remaining: number, resetMs: number): PolicyState {
  return { name, limit, remaining, resetMs, denies: false };
}

function allowed(...policies: PolicyState[]): RateLimitDecision {
  const remaining = Math.min(...policies.map((state) => state.remaining));
  return { allowed: true, remaining, retryAfterMs: 0, resetAt: new Date(0), violated: [], policies, shared: true };
}

function denied(by: string[], retryAfterMs: number, ...policies: PolicyState[]): RateLimitDecision {
  const states = policies.map((state) => ({ ...state, denies: by.includes(state.name) }));
  return { ...allowed(...states), allowed: false, violated: by, retryAfterMs };
}

describe('The RateLimit headers of the draft', () => {
  it('tell the policy, what is left of it, and for how long that must do', () => {
    expect(rateLimitHeaders(allowed(stateOf(burst, 50, 40_000)), [burst], draft)).toEqual({
      'RateLimit-Policy': '"burst";q=100;w=60',
      RateLimit: '"burst";r=50;t=40',
    });
  });

  it('hold several policies in one field', () => {
    const decision = allowed(stateOf(burst, 60, 58_000), stateOf(daily, 900, 80_000_000));

    expect(rateLimitHeaders(decision, [burst, daily], draft)).toEqual({
      'RateLimit-Policy': '"burst";q=100;w=60, "daily";q=1000;w=86400',
      RateLimit: '"burst";r=60;t=58, "daily";r=900;t=80000',
    });
  });

  it('show whose quota it is as a byte sequence', () => {
    const partitionKey = new PartitionKeys('secret').of('user:42');
    const headers = rateLimitHeaders(allowed(stateOf(burst, 99, 60_000)), [{ ...burst, partitionKey }], draft);

    expect(parseList(headers['RateLimit-Policy']!)[0]!.parameters).toEqual({
      q: 100,
      w: 60,
      pk: Buffer.from(partitionKey, 'base64'),
    });
    expect(parseList(headers['RateLimit']!)[0]!.parameters['pk']).toEqual(Buffer.from(partitionKey, 'base64'));
  });

  it('tell a retry of the subject that is denied only, though another has the same policy', () => {
    const states = [{ ...stateOf(burst, 0, 60_000), denies: true }, stateOf(burst, 7, 58_000)];
    const decision = { ...denied([], 12_000), policies: states, violated: ['burst'] };

    const { RateLimit, 'Retry-After': retryAfter } = rateLimitHeaders(decision, [burst, burst], draft);
    expect(RateLimit).toBe('"burst";r=0;t=12, "burst";r=7');
    expect(retryAfter).toBe('12');
  });

  it('tell two networks of a caller apart, though their policy is the same', () => {
    const [near, far] = ['AAAAAAAAAAA=', 'BBBBBBBBBBA='].map((partitionKey) => ({ ...burst, partitionKey }));
    const decision = allowed(stateOf(near!, 99, 60_000), { ...stateOf(far!, 1_599, 60_000), limit: 1_600 });
    const headers = rateLimitHeaders(decision, [near!, { ...far!, limit: 1_600 }], draft);

    expect(parseList(headers['RateLimit-Policy']!).map(({ parameters }) => parameters['q'])).toEqual([100, 1_600]);
    expect(parseList(headers['RateLimit']!).map(({ parameters }) => parameters['r'])).toEqual([99, 1_599]);
  });

  it('count calls under way in their own unit, without a window', () => {
    expect(rateLimitHeaders(allowed(stateOf(atOnce, 3, 30_000)), [atOnce], draft)).toEqual({
      'RateLimit-Policy': '"at-once";q=4;qu="concurrent-requests"',
      RateLimit: '"at-once";r=3',
    });
  });

  it('never make what is left look like a higher rate than that of the policy', () => {
    // A new window begins in a second, but a hundred calls in one second is not what the policy means.
    expect(rateLimitHeaders(allowed(stateOf(burst, 99, 1_000)), [burst], draft)['RateLimit']).toBe('"burst";r=99;t=60');
  });

  it('do not ask for the wait until all is given back where one comes after the other', () => {
    const even = { ...burst, evenly: true };
    const left = (remaining: number, resetMs: number): string =>
      rateLimitHeaders(allowed(stateOf(even, remaining, resetMs)), [even], draft)['RateLimit']!;

    expect(left(0, 60_000)).toBe('"burst";r=0;t=1');
    expect(left(50, 30_000)).toBe('"burst";r=50;t=30');
    expect(left(99, 600)).toBe('"burst";r=99;t=60');
  });

  it('have no window shorter than a second, as there is none', () => {
    const quick = { name: 'quick', limit: 10, perUs: SECOND / 10 };

    expect(rateLimitHeaders(allowed(stateOf(quick, 0, 100)), [quick], draft)).toEqual({
      'RateLimit-Policy': '"quick";q=10;w=1',
      RateLimit: '"quick";r=0;t=1',
    });
  });

  it('round a window up', () => {
    const odd = { ...burst, perUs: 1_500_000 };

    expect(rateLimitHeaders(allowed(stateOf(odd, 100, 0)), [odd], draft)).toEqual({
      'RateLimit-Policy': '"burst";q=100;w=2',
      RateLimit: '"burst";r=100;t=2',
    });
  });

  it('say nothing of policies in the shadow', () => {
    const shadow = { ...burst, shadow: true };
    const decision = allowed(stateOf(shadow, 0, 60_000), stateOf(daily, 900, 80_000_000));

    expect(rateLimitHeaders(decision, [shadow, daily], draft)['RateLimit']).toBe('"daily";r=900;t=80000');
    expect(rateLimitHeaders(decision, [shadow, daily], draft)['RateLimit-Policy']).toBe('"daily";q=1000;w=86400');
    expect(rateLimitHeaders(decision, [shadow, daily], legacy)['X-RateLimit-Limit']).toBe('1000');
    expect(rateLimitHeaders(allowed(stateOf(shadow, 0, 60_000)), [shadow], { style: 'both' })).toEqual({});
  });

  it('can be parsed, whatever a policy is called', () => {
    expect(stringOf('say "hi" \\ bye')).toBe(String.raw`"say \"hi\" \\ bye"`);
    expect(stringOf('café')).toBe('"caf%C3%A9"');
    expect(stringOf('a\r\nSet-Cookie: b')).toBe('"a%0D%0ASet-Cookie: b"');
    expect(stringOf('\uD800')).toBe('"%EF%BF%BD"');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const policies = [{ ...burst, name }, daily];
        const decision = allowed(stateOf(burst, 1, 1), stateOf(daily, 1, 1));
        const headers = rateLimitHeaders(decision, policies, draft);
        const [first, second, ...more] = parseList(headers['RateLimit-Policy']!);

        expect(more).toEqual([]);
        expect(second).toEqual({ value: 'daily', parameters: { q: 1_000, w: 86_400 } });
        if (/^[ -~]*$/.test(name)) expect(first!.value).toBe(name);
        expect(parseList(headers['RateLimit']!)).toHaveLength(2);
      }),
    );
  });

  it('hold only numbers that such a field can', () => {
    const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(2 ** 53, 1e21, Infinity, -1, 0.5, Number.NaN));
    fc.assert(
      fc.property(number, number, number, number, (limit, perUs, remaining, resetMs) => {
        const policy = { name: 'p', limit, perUs };
        const headers = rateLimitHeaders(allowed(stateOf(policy, remaining, resetMs)), [policy], { style: 'both' });
        const [advertised] = parseList(headers['RateLimit-Policy']!);
        const [left] = parseList(headers['RateLimit']!);

        for (const one of [advertised!.parameters['q'], left!.parameters['r'], left!.parameters['t']]) {
          expect(one).toBeGreaterThanOrEqual(0);
        }
        expect(advertised!.parameters['w']).toBeGreaterThanOrEqual(1);
        for (const name of ['Limit', 'Remaining', 'Reset'])
          expect(headers[`X-RateLimit-${name}`]).toMatch(/^\d{1,15}$/);
      }),
    );
  });
});

describe('The headers of a denial', () => {
  it('have one Retry-After, in whole seconds, rounded up', () => {
    const retryAfter = (ms: number): string | undefined =>
      rateLimitHeaders(denied(['burst'], ms, stateOf(burst, 0, 60_000)), [burst], draft)['Retry-After'];

    expect(retryAfter(12_000)).toBe('12');
    expect(retryAfter(12_001)).toBe('13');
    expect(retryAfter(1)).toBe('1');
    expect(retryAfter(0)).toBe('1');
    expect(rateLimitHeaders(allowed(stateOf(burst, 0, 60_000)), [burst], draft)).not.toHaveProperty('Retry-After');
  });

  it.each(['draft', 'legacy', 'both', false] as const)('have it with the style %p, too', (style) => {
    const headers = rateLimitHeaders(denied(['burst'], 600, stateOf(burst, 0, 60_000)), [burst], { style });

    expect(headers['Retry-After']).toBe('1');
    if (style === false) expect(Object.keys(headers)).toEqual(['Retry-After']);
  });

  it('never point to a time before the one of the RateLimit field', () => {
    const decision = denied(['burst'], 600, stateOf(burst, 0, 60_000), stateOf(daily, 900, 80_000_000));
    const headers = rateLimitHeaders(decision, [burst, daily], draft);

    expect(headers).toEqual({
      'RateLimit-Policy': '"burst";q=100;w=60, "daily";q=1000;w=86400',
      RateLimit: '"burst";r=0;t=1, "daily";r=900',
      'Retry-After': '1',
    });
  });
});

describe('The legacy headers', () => {
  it('are those of the policy that has least left', () => {
    const decision = allowed(stateOf(burst, 60, 58_001), stateOf(daily, 20, 80_000_000));

    expect(rateLimitHeaders(decision, [burst, daily], legacy)).toEqual({
      'X-RateLimit-Limit': '1000',
      'X-RateLimit-Remaining': '20',
      'X-RateLimit-Reset': '80000',
    });
    expect(rateLimitHeaders(allowed(stateOf(burst, 60, 58_001)), [burst], legacy)['X-RateLimit-Reset']).toBe('59');
  });

  it('are those of the one that denies, and never reset before a retry can succeed', () => {
    const decision = denied(['burst'], 70_000, stateOf(daily, 0, 80_000_000), stateOf(burst, 3, 60_000));

    expect(rateLimitHeaders(decision, [daily, burst], legacy)).toEqual({
      'X-RateLimit-Limit': '100',
      'X-RateLimit-Remaining': '3',
      'X-RateLimit-Reset': '70',
      'Retry-After': '70',
    });
  });

  it('show the longest reset of several that have as much left', () => {
    const decision = allowed(stateOf(burst, 5, 1_000), stateOf(daily, 5, 9_000));

    expect(rateLimitHeaders(decision, [burst, daily], legacy)['X-RateLimit-Reset']).toBe('9');
  });

  it('show calls under way only where there is nothing else, or they deny', () => {
    const states = [stateOf(atOnce, 0, 30_000), stateOf(burst, 60, 58_000)];

    expect(rateLimitHeaders(allowed(...states), [atOnce, burst], legacy)['X-RateLimit-Limit']).toBe('100');
    expect(rateLimitHeaders(denied(['at-once'], 1, ...states), [atOnce, burst], legacy)['X-RateLimit-Limit']).toBe('4');
    expect(rateLimitHeaders(allowed(states[0]!), [atOnce], legacy)['X-RateLimit-Limit']).toBe('4');
  });

  it('come beside those of the draft with both', () => {
    const decision = allowed(stateOf(burst, 50, 40_000));

    expect(rateLimitHeaders(decision, [burst], { style: 'both' })).toEqual({
      ...rateLimitHeaders(decision, [burst], draft),
      ...rateLimitHeaders(decision, [burst], legacy),
    });
    expect(rateLimitHeaders(decision, [burst], { style: false })).toEqual({});
  });
});

function stringOf(name: string): string {
  const headers = rateLimitHeaders(allowed(stateOf(burst, 1, 1)), [{ ...burst, name }], draft);
  return headers['RateLimit-Policy']!.replace(/;q=100;w=60$/, '');
}

interface Item {
  readonly value: string;
  readonly parameters: Record<string, string | number | Buffer>;
}

/** Parses a list of strings with parameters, strictly by section 4.2 of RFC 9651. */
function parseList(field: string): Item[] {
  let rest = field;
  const take = (pattern: RegExp, what: string): RegExpExecArray => {
    const match = pattern.exec(rest);
    if (!match) throw new Error(`No ${what} at ${JSON.stringify(rest)} of ${JSON.stringify(field)}`);
    rest = rest.slice(match[0].length);
    return match;
  };
  const bare = (): string | number | Buffer => {
    if (rest.startsWith('"')) return take(/^"((?:[ !#-[\]-~]|\\["\\])*)"/, 'string')[1]!.replaceAll(/\\(.)/g, '$1');
    if (rest.startsWith(':'))
      return Buffer.from(
        take(/^:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?):/, 'bytes')[1]!,
        'base64',
      );
    return Number(take(/^-?\d{1,15}(?![\d.])/, 'integer')[0]);
  };
  const items: Item[] = [];
  while (rest !== '') {
    if (items.length > 0) take(/^[ \t]*,[ \t]*(?=.)/, 'comma');
    const value = bare();
    if (typeof value !== 'string') throw new Error('A policy is named by a string');
    const parameters: Item['parameters'] = {};
    while (rest.startsWith(';')) {
      const [, key] = take(/^; *([a-z*][a-z0-9_.*-]*)=/, 'parameter');
      parameters[key!] = bare();
    }
    items.push({ value, parameters });
  }
  return items;
}
