import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LocalLimitNews } from '../news/local-news.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import { LimitOverridesFullError } from './limit-overrides.errors.js';
import { LimitOverrides } from './limit-overrides.js';
import { MemoryOverrideStore } from './memory-override-store.js';
import { MOST_OVERRIDES, type OverrideStore } from './override-store.js';

interface Policy {
  readonly name: string;
  readonly most: number;
}

let store: MemoryOverrideStore;
let news: LocalLimitNews;
let policies: Map<string, Policy>;
let changed: string[][];
let warnings: string[];
let overrides: LimitOverrides<Policy>;

const withLimit = ({ name, most }: Policy, limit: number): void => {
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw new RateLimitCallError(`The limit of "${name}" is ${limit}. Give 1 to ${most}.`);
  }
};
const open = (from: OverrideStore = store): LimitOverrides<Policy> =>
  (overrides = new LimitOverrides({
    store: from,
    news,
    policies,
    withLimit,
    changed: (of) => changed.push(of.map(({ name }) => name).sort()),
  }));
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  jest.useFakeTimers({ now: new Date('2026-11-21T12:00:00Z') });
  store = new MemoryOverrideStore();
  news = new LocalLimitNews();
  policies = new Map(['api', 'login'].map((name) => [name, { name, most: 1_000_000 }]));
  [changed, warnings] = [[], []];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation((text: unknown) => void warnings.push(String(text)));
});
afterEach(() => {
  overrides.stop();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

describe('An override', () => {
  it('is in force as soon as it is set: for one subject before everybody, and nowhere else', async () => {
    await open().start();
    expect(overrides.limitFor('api', 'user:1')).toBeUndefined();

    await overrides.set('api', 50);
    await overrides.set('api', 500, { subject: 'user:1' });

    expect(overrides.limitFor('api', 'user:1')).toBe(500);
    expect(overrides.limitFor('api', 'user:2')).toBe(50);
    expect(overrides.limitFor('login', 'user:1')).toBeUndefined();
    expect(changed).toEqual([['api'], ['api']]);
  });

  it('ends when it is taken away', async () => {
    await open().start();
    await overrides.set('api', 50);
    await overrides.set('api', 500, { subject: 'user:1' });

    await overrides.clear('api', { subject: 'user:1' });
    expect(overrides.limitFor('api', 'user:1')).toBe(50);
    await overrides.clear('api');
    expect(overrides.limitFor('api', 'user:1')).toBeUndefined();
    expect(changed).toHaveLength(4);
  });

  it('tells what it is for, why and since when', async () => {
    await open().start();
    await overrides.set('api', 500, { subject: 'user:1', note: 'ann: big import' });
    await overrides.set('login', 3);
    const since = new Date('2026-11-21T12:00:00Z');

    expect(overrides.list()).toEqual([
      { policy: 'api', subject: 'user:1', limit: 500, note: 'ann: big import', since },
      { policy: 'login', subject: undefined, limit: 3, note: undefined, since },
    ]);
  });

  it.each(['x'.repeat(10_000), 'lone \ud800', `%sha256:${'A'.repeat(43)}`, 'a:b', '%', ':', 'ü'.repeat(128)])(
    'finds its subject, whatever that is, and no other (%.20s)',
    async (subject) => {
      await open().start();
      await overrides.set('api', 7, { subject });

      expect(overrides.limitFor('api', subject)).toBe(7);
      const shown = overrides.list()[0]!.subject!;
      expect(overrides.limitFor('api', shown)).toBe(shown === subject ? 7 : undefined);
      expect(overrides.limitFor('api', `${subject}x`)).toBeUndefined();
      await overrides.clear('api', { subject: shown });
      expect(overrides.limitFor('api', subject)).toBeUndefined();
    },
  );

  it('is refused for no policy, no limit of it, no subject, or a note that is too long', async () => {
    await open().start();
    await expect(overrides.set('apy', 5)).rejects.toThrow('There is no policy "apy". There are: api, login.');
    await expect(overrides.clear('apy')).rejects.toThrow(RateLimitCallError);
    await expect(overrides.set('api', 0)).rejects.toThrow('Give 1 to 1000000');
    await expect(overrides.set('api', Number.NaN)).rejects.toThrow(RateLimitCallError);
    await expect(overrides.set('api', 5, { subject: '' })).rejects.toThrow(RateLimitCallError);
    await expect(overrides.set('api', 5, { subject: 5 as unknown as string })).rejects.toThrow(RateLimitCallError);
    await expect(overrides.set('api', 5, { note: 'x'.repeat(201) })).rejects.toThrow('200 characters');
    expect(overrides.list()).toEqual([]);
  });

  it('is refused when there are too many of single subjects, but not for a policy or a known one', async () => {
    await open().start();
    for (let index = 0; index < MOST_OVERRIDES; index++) await store.set(`api:user:${index}`, '{"v":1,"limit":9');

    await expect(overrides.set('api', 5, { subject: 'user:new' })).rejects.toThrow(LimitOverridesFullError);
    await overrides.set('api', 5, { subject: 'user:7' });
    await overrides.set('login', 6);

    expect(overrides.limitFor('api', 'user:7')).toBe(5);
    expect(overrides.limitFor('login', 'user:7')).toBe(6);
  });
});

describe('Overrides that others have set', () => {
  it('are in force when they are loaded', async () => {
    await store.set('api', '{"v":1,"limit":50');
    await open().start();
    expect(overrides.limitFor('api', 'user:1')).toBe(50);
  });

  it('come with the news, and in seconds without them', async () => {
    await open().start();
    await store.set('api', '{"v":1,"limit":50');
    await news.publish({ kind: 'overrides' });
    await pass(0);
    expect(overrides.limitFor('api', 'user:1')).toBe(50);

    await store.set('api', '{"v":1,"limit":60');
    await news.publish({ kind: 'forget' });
    await pass(4_000);
    expect(overrides.limitFor('api', 'user:1')).toBe(50);
    await pass(1_000);
    expect(overrides.limitFor('api', 'user:1')).toBe(60);
  });

  it('are told of only when a limit is another', async () => {
    await store.set('api', '{"v":1,"limit":50');
    await store.set('login:user:1', '{"v":1,"limit":5');
    await open().start();
    expect(changed).toEqual([['api', 'login']]);
    await store.set('api', '{"v":1,"limit":50,"note":"again"');
    await pass(20_000);
    expect(changed).toHaveLength(1);
    expect(overrides.list()[0]!.note).toBe('again');
  });

  it('stay as they were known last while they cannot be read', async () => {
    await store.set('api', '{"v":1,"limit":50');
    await open().start();
    jest.spyOn(store, 'read').mockRejectedValue(new Error('unreachable'));
    await pass(60_000);
    expect(overrides.limitFor('api', 'user:1')).toBe(50);

    jest.mocked(store.read).mockRestore();
    await store.delete('api');
    await pass(5_000);
    expect(overrides.limitFor('api', 'user:1')).toBeUndefined();
  });

  it.each([
    ['api', 'no json'],
    ['api', '7'],
    ['api', 'null'],
    ['api', '{"v":2,"limit":5}'],
    ['api', '{"v":1,"limit":"5"}'],
    ['api', '{"v":1,"limit":0}'],
    ['api', '{"v":1,"limit":2.5}'],
    ['api', '{"v":1,"limit":5,"since":1e300}'],
    ['api', `{"v":1,"limit":5,"note":"${'x'.repeat(3_000)}"}`],
    ['api:', '{"v":1,"limit":5}'],
    [`api:${'x'.repeat(200)}`, '{"v":1,"limit":5}'],
  ])('are ignored where they are none, which is logged once (%.30s %.40s)', async (field, json) => {
    const stored = new Map([
      [field, json],
      ['login', '{"v":1,"limit":3}'],
    ]);
    await open({ read: async () => stored, set: async () => true, delete: async () => undefined }).start();
    await pass(60_000);

    expect(overrides.limitFor('api', 'x'.repeat(200))).toBeUndefined();
    expect(overrides.limitFor('login', 'a')).toBe(3);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(JSON.stringify(field.slice(0, 50)).slice(0, -1));
    expect(warnings[0]!.length).toBeLessThan(600);
  });

  it('of a policy that only others have are left to them, until this process has it, too', async () => {
    await store.set('search', '{"v":1,"limit":5');
    await open().start();
    expect(overrides.list()).toEqual([]);
    expect(warnings).toEqual([]);

    jest.spyOn(store, 'read').mockResolvedValue(undefined as never);
    await pass(5_000);
    policies.set('search', { name: 'search', most: 10 });
    await pass(5_000);
    expect(overrides.limitFor('search', 'a')).toBe(5);
  });

  it('are not looked at any more after the end', async () => {
    await open().start();
    overrides.stop();
    await store.set('api', '{"v":1,"limit":50');
    await news.publish({ kind: 'overrides' });
    await pass(10_000);
    expect(overrides.limitFor('api', 'user:1')).toBeUndefined();
  });
});

describe('A change that is told while the overrides are being read', () => {
  it('is read after that', async () => {
    let answer: (() => void) | undefined;
    let limit = 50;
    const slow: OverrideStore = {
      read: () => {
        const seen = new Map([['api', `{"v":1,"limit":${limit}}`]]);
        return new Promise((resolve) => (answer = () => resolve(seen)));
      },
      set: async () => true,
      delete: async () => undefined,
    };
    const started = open(slow).start();
    await pass(0);
    limit = 60;
    await news.publish({ kind: 'overrides' });
    answer!();
    await started;
    expect(overrides.limitFor('api', 'a')).toBe(50);
    await pass(0);
    answer!();
    await pass(0);

    expect(overrides.limitFor('api', 'a')).toBe(60);
  });
});
