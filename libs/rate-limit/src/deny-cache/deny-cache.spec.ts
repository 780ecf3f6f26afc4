import { beforeEach, describe, expect, it } from '@jest/globals';
import type { RateLimitDecision } from '../decision.js';
import type { NewsListener, LimitNews } from '../news/limit-news.js';
import type { NewsMessage } from '../news/news-message.js';
import { DenyCache } from './deny-cache.js';
import type { DeniedSubjects, DenyingPolicy } from './denied-subjects.js';

class FakeNews implements LimitNews {
  alive = true;
  listener: NewsListener | undefined;

  async publish(message: NewsMessage): Promise<void> {
    this.tell(message);
  }

  tell(message: NewsMessage): void {
    this.listener?.told(message);
  }

  on(listener: NewsListener): () => void {
    this.listener = listener;
    return () => (this.listener = undefined);
  }

  close(): void {}
}

let nowMs: number;
let news: FakeNews;
let cache: DenyCache;
let api: DeniedSubjects;

const policy = (name: string, parts: Partial<DenyingPolicy> = {}): DenyingPolicy => ({
  name,
  id: name.charCodeAt(0),
  capacity: 20,
  cost: 1,
  shadow: false,
  when: 'always',
  shape: { kind: 'gcra' },
  ...parts,
});
const keyOf = (subject: string): string => `app:limit:{${subject}}`;
const denial = (parts: Partial<RateLimitDecision> = {}): RateLimitDecision => ({
  allowed: false,
  remaining: 0,
  retryAfterMs: 10_000,
  resetAt: new Date(1_800_000_030_000),
  violated: ['api'],
  policies: [{ name: 'api', limit: 20, remaining: 0, resetMs: 30_000, denies: true }],
  shared: true,
  ...parts,
});
/** Notes a denial that was asked for and decided just now. */
const note = (denied: DeniedSubjects, subject: string, cost?: number, decision = denial(), askedAtMs = nowMs): void =>
  denied.note(subject, [keyOf(subject)], cost, decision, askedAtMs);

beforeEach(() => {
  nowMs = 1_000;
  news = new FakeNews();
  cache = new DenyCache(news, 100, () => nowMs);
  api = cache.forSet([policy('api')]);
});

describe('A denial', () => {
  it('is told again, as it would be by then, until Redis may decide otherwise', () => {
    note(api, 'user:1');
    nowMs += 4_000.5;

    expect(api.look('user:1', undefined)).toEqual(
      denial({
        retryAfterMs: 6_000,
        policies: [{ name: 'api', limit: 20, remaining: 0, resetMs: 26_000, denies: true }],
      }),
    );
    expect(api.look('user:2', undefined)).toBeUndefined();
    expect(cache.forSet([policy('api')]).look('user:1', undefined)).toBeUndefined();
  });

  it('is never held for longer than it was true, counted from before Redis was asked, and little shorter', () => {
    const askedAtMs = nowMs;
    nowMs += 30;
    note(api, 'user:1', undefined, denial(), askedAtMs);

    nowMs = askedAtMs + 9_980;
    expect(api.look('user:1', undefined)).toMatchObject({ allowed: false });
    nowMs = askedAtMs + 9_999;
    expect(api.look('user:1', undefined)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it('never sends anybody back before its end', () => {
    const askedAtMs = nowMs;
    nowMs += 30;
    note(api, 'user:1', undefined, denial(), askedAtMs);
    nowMs += 9_900;

    // Redis may have decided at the very last moment: then the end is 10 s after the reply.
    expect(api.look('user:1', undefined)!.retryAfterMs).toBe(100);
  });

  it('cannot be spoilt by whoever got it', () => {
    note(api, 'user:1');
    const first = api.look('user:1', undefined)!;
    (first.violated as string[]).push('other');
    first.resetAt.setTime(0);

    expect(api.look('user:1', undefined)).toEqual(denial());
  });

  it('shows a policy that has come back to its whole by then', () => {
    const both = cache.forSet([policy('api'), policy('burst', { capacity: 5 })]);
    const decision = denial({
      policies: [
        { name: 'api', limit: 20, remaining: 0, resetMs: 30_000, denies: true },
        { name: 'burst', limit: 5, remaining: 2, resetMs: 3_000, denies: false },
      ],
    });
    note(both, 'user:1', undefined, decision);

    nowMs += 2_999;
    expect(both.look('user:1', undefined)!.policies[1]).toMatchObject({ remaining: 2, resetMs: 1 });
    nowMs += 1;
    expect(both.look('user:1', undefined)!.policies[1]).toMatchObject({ remaining: 5, resetMs: 0 });
    expect(both.look('user:1', undefined)!.remaining).toBe(0);
  });

  it('holds for calls that cost as much or more, and leaves what can never be to those who say so', () => {
    note(api, 'user:1', 5);

    expect(api.look('user:1', undefined)).toBeUndefined();
    expect(api.look('user:1', 4)).toBeUndefined();
    expect(api.look('user:1', 5)).toBeDefined();
    expect(api.look('user:1', 20)).toBeDefined();
    for (const cost of [21, Number.NaN, 6.5, -1, '7' as unknown as number]) {
      expect(api.look('user:1', cost)).toBeUndefined();
    }
  });

  it('of a call that says no cost holds for those that say none, and those that cost as much as its dearest policy', () => {
    const set = cache.forSet([policy('api', { cost: 2 }), policy('burst', { cost: 4 })]);
    note(set, 'user:1');
    expect(set.look('user:1', undefined)).toBeDefined();
    expect(set.look('user:1', 3)).toBeUndefined();
    expect(set.look('user:1', 4)).toBeDefined();

    note(set, 'user:2', 3);
    expect(set.look('user:2', undefined)).toBeUndefined();
    note(set, 'user:2', 2);
    expect(set.look('user:2', undefined)).toBeDefined();
  });

  it('gives way to a later one of the same subject', () => {
    note(api, 'user:1', 5);
    note(api, 'user:1', 1, denial({ retryAfterMs: 2_000 }));
    expect(cache.size).toBe(1);
    expect(api.look('user:1', 1)!.retryAfterMs).toBe(2_000);
  });
});

describe('What is not kept', () => {
  it.each<[string, RateLimitDecision]>([
    ['an allowed call', denial({ allowed: true, violated: [] })],
    ['what was decided without Redis', denial({ shared: false })],
    ['what is over in no time', denial({ retryAfterMs: 1 })],
  ])('%s', (_what, decision) => {
    note(api, 'user:1', undefined, decision);
    expect(cache.size).toBe(0);
  });

  it('what was over when its reply came', () => {
    const askedAtMs = nowMs;
    nowMs += 10_000;
    note(api, 'user:1', undefined, denial(), askedAtMs);
    expect(cache.size).toBe(0);
  });

  it('a subject that is long, since whoever sends it chooses how long', () => {
    note(api, 'x'.repeat(10_000));
    expect(cache.size).toBe(0);
  });

  it.each<[string, Partial<DenyingPolicy>]>([
    ['of places, which are free as soon as a call ends', { shape: { kind: 'concurrency' } }],
    ['that gives back what succeeds', { when: 'failures' }],
    ['that gives back what fails', { when: 'successes' }],
    ['that processes take ahead of, and give back to', { lease: { size: 10 } }],
  ])('the denial of a policy %s', (_what, parts) => {
    const set = cache.forSet([policy('api'), policy('other', parts)]);
    note(set, 'user:1', undefined, denial({ violated: ['api', 'other'] }));
    expect(cache.size).toBe(0);
    note(set, 'user:1', undefined, denial({ violated: ['api'] }));
    expect(cache.size).toBe(1);
  });

  it('only as it is denied by one in the shadow, which denies nothing', () => {
    const set = cache.forSet([policy('api'), policy('trial', { shadow: true, when: 'failures' })]);
    note(set, 'user:1', undefined, denial({ violated: ['api', 'trial'] }));
    expect(set.look('user:1', undefined)!.violated).toEqual(['api', 'trial']);
  });

  it('more than so many: the oldest goes first', () => {
    const other = cache.forSet([policy('other')]);
    for (let index = 0; index < 150; index++) note(index % 2 ? api : other, `user:${index}`);

    expect(cache.size).toBe(100);
    expect(api.look('user:49', undefined)).toBeUndefined();
    expect(other.look('user:50', undefined)).toBeDefined();
    note(api, 'user:51');
    note(api, 'user:150');
    expect(cache.size).toBe(100);
    expect(other.look('user:50', undefined)).toBeUndefined();
    expect(api.look('user:51', undefined)).toBeDefined();
  });
});

describe('A subject', () => {
  it('is freed by the news that its state was reset, in all sets of policies, and nobody else is', () => {
    const both = cache.forSet([policy('api'), policy('burst')]);
    for (const set of [api, both]) for (const subject of ['user:1', 'user:2']) note(set, subject);
    news.tell({ kind: 'forget', key: keyOf('user:1') });

    expect([api, both].map((set) => set.look('user:1', undefined))).toEqual([undefined, undefined]);
    expect([api, both].map((set) => set.look('user:2', undefined)?.allowed)).toEqual([false, false]);
    expect(cache.size).toBe(2);
  });

  it('is freed from the policies that the news are about, and from no others', () => {
    const other = cache.forSet([policy('other')]);
    note(api, 'user:1');
    note(other, 'user:1');
    news.tell({ kind: 'forget', key: keyOf('user:1'), ids: ['a'.charCodeAt(0)] });
    expect(api.look('user:1', undefined)).toBeUndefined();
    expect(other.look('user:1', undefined)).toBeDefined();

    news.tell({ kind: 'forget', ids: ['o'.charCodeAt(0)] });
    expect(other.look('user:1', undefined)).toBeUndefined();

    nowMs += 1;
    note(api, 'user:1');
    note(other, 'user:1');
    news.tell({ kind: 'forget', key: keyOf('user:1'), ids: ['a'.charCodeAt(0)] });
    news.tell({ kind: 'forget', key: keyOf('user:1') });
    expect(other.look('user:1', undefined)).toBeUndefined();
  });

  it('is freed when one of several subjects of a call is, also where they are the same', () => {
    api.note('ip|user', [keyOf('ip'), keyOf('user'), keyOf('user')], undefined, denial(), nowMs);
    expect(api.look('ip|user', undefined)).toBeDefined();
    news.tell({ kind: 'forget', key: keyOf('user') });
    expect(api.look('ip|user', undefined)).toBeUndefined();
    expect(cache.size).toBe(0);
    news.tell({ kind: 'forget', key: keyOf('ip') });
    expect(cache.size).toBe(0);
  });

  it('is freed, as everybody, when news may be missed, and is not kept until they come again', () => {
    note(api, 'user:1');
    const askedAtMs = nowMs;
    nowMs += 10;
    news.alive = false;
    news.listener!.gap();
    expect(cache.size).toBe(0);
    nowMs += 10;
    note(api, 'user:1');
    expect(cache.size).toBe(0);

    const askedInGapAtMs = nowMs;
    nowMs += 10;
    news.alive = true;
    news.listener!.armed();
    note(api, 'user:1', undefined, denial(), askedAtMs);
    note(api, 'user:1', undefined, denial(), askedInGapAtMs);
    expect(cache.size).toBe(0);
    nowMs += 1;
    note(api, 'user:1');
    expect(cache.size).toBe(1);
  });

  it('is not denied by a reply that was decided before the news of its reset, and comes after them', () => {
    const askedAtMs = nowMs;
    nowMs += 5;
    news.tell({ kind: 'forget', key: keyOf('user:1') });
    nowMs += 5;
    note(api, 'user:1', undefined, denial(), askedAtMs);
    expect(api.look('user:1', undefined)).toBeUndefined();

    note(api, 'user:2', undefined, denial(), askedAtMs);
    expect(api.look('user:2', undefined)).toBeDefined();
    note(api, 'user:1');
    expect(api.look('user:1', undefined)).toBeDefined();
  });

  it('is not denied by such a reply either when so many were reset meanwhile that not all can be remembered', () => {
    const askedAtMs = nowMs;
    nowMs += 5;
    news.tell({ kind: 'forget', key: keyOf('user:1') });
    for (let index = 0; index < 5_000; index++) news.tell({ kind: 'forget', key: `key:${index}` });
    note(api, 'user:1', undefined, denial(), askedAtMs);
    expect(cache.size).toBe(0);
  });

  it('is not denied by such a reply when all were reset, or other limits are in force', () => {
    const askedAtMs = nowMs;
    nowMs += 5;
    cache.forget(undefined, [1]);
    note(api, 'user:1', undefined, denial(), askedAtMs);
    expect(cache.size).toBe(0);
  });
});

describe('A closed cache', () => {
  it('knows nothing, and listens to nothing', () => {
    note(api, 'user:1');
    cache.close();
    expect(cache.size).toBe(0);
    expect(news.listener).toBeUndefined();
  });
});
