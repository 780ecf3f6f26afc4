import { describe, expect, it } from '@jest/globals';
import { checkHistory } from './check-history.js';
import type { Conditions } from './history/conditions.js';
import type { AttemptEvent, HistoryEvent } from './history/events.js';
import { markOf, type History } from './history/history.js';
import { makeUpHistory, MADE_UP_TTL_MS as TTL_MS, type MadeUp } from './history/made-up-history.js';
import { tellHistory } from './history/tell-history.js';
import { countDoubleGrants } from './rules/exclusion.js';
import type { RuleName } from './rules/violation.js';

const SEEDS = [1, 2, 3, 4, 5];
const CALM: Conditions = {
  liveMs: 3_000,
  earlyMs: 100,
  slackMs: 100,
  beatMs: 1_000,
  recoveryMs: 1_000,
  outages: [],
  losses: [],
};

/** One hold of a history that was made up, and how to tell it otherwise. */
class Story {
  readonly #made: MadeUp;
  /** Those of an attempt that was queued and then granted, in the middle of the run. */
  readonly #attempt: number;

  constructor(seed: number) {
    this.#made = makeUpHistory(seed);
    const all = [...this.#made.events.values()].flat();
    const queued = all.flatMap((event) => (event.what === 'told' ? [Number(event.id.split(':')[1])] : []));
    this.#attempt = queued.sort((one, other) => one - other)[Math.floor(queued.length / 2)]!;
  }

  get process(): string {
    return [...this.#made.events].find(([, list]) => list.some((event) => this.#isMine(event)))![0];
  }

  /** Of its claim. */
  get id(): string {
    return `${this.process}:${this.#attempt}`;
  }

  get accepted(): { token: bigint; by: string }[] {
    return this.#made.accepted.get('hot') as { token: bigint; by: string }[];
  }

  get mark(): string {
    return markOf({ process: this.process, attempt: this.#attempt });
  }

  /** Who held it before and after. */
  neighbour(distance: 1 | -1): string {
    const marks = this.accepted.map(({ by }) => by);
    return marks[marks.indexOf(this.mark) + distance]!;
  }

  at(what: HistoryEvent['what']): number {
    return this.#mine(what)[0]!.at;
  }

  /** Tells events of the hold otherwise. */
  change(what: HistoryEvent['what'], change: (event: HistoryEvent) => object): void {
    for (const event of this.#mine(what)) Object.assign(event, change(event));
  }

  /** Everything about the hold from this event on came later by so much. */
  postpone(what: HistoryEvent['what'], byMs: number): void {
    const from = this.at(what);
    for (const event of this.#made.events.get(this.process)!)
      if (this.#isMine(event) && event.at >= from) (event as { at: number }).at += byMs;
  }

  /** Everything of everybody, but of the hold before this one. */
  postponeAll(from: number, byMs: number): void {
    const before = Number(this.neighbour(-1).split('#')[1]);
    for (const event of [...this.#made.events.values()].flat())
      if (event.at >= from && !isOf(event, before)) (event as { at: number }).at += byMs;
  }

  /** Something more that happened to the hold. */
  add(event: Added<AttemptEvent>): void {
    this.addToProcess({ attempt: this.#attempt, ...event } as AttemptEvent);
  }

  addToProcess(event: HistoryEvent): void {
    this.#made.events.get(this.process)!.push(event);
  }

  /** The process dies, and nothing of what it did from then on is known. */
  die(from: number): void {
    const { process } = this;
    const before = this.#made.events.get(process)!.filter(({ at }) => at < from);
    this.#made.events.set(process, before);
  }

  /** The token of another hold becomes that of this one. */
  takeToken(mark: string): void {
    const token = String(this.accepted.find(({ by }) => by === mark)!.token);
    for (const what of ['told', 'granted'] as const) this.change(what, () => ({ token }));
    this.accepted.find(({ by }) => by === this.mark)!.token = BigInt(token);
  }

  tell(): History {
    for (const list of this.#made.events.values()) list.sort((one, other) => one.at - other.at);
    return tellHistory(this.#made.events, this.#made.accepted, CALM.liveMs);
  }

  rules(conditions: Partial<Conditions> = {}): RuleName[] {
    const violations = checkHistory(this.tell(), { ...CALM, ...conditions });
    return [...new Set(violations.map(({ rule }) => rule))];
  }

  #mine(what: HistoryEvent['what']): HistoryEvent[] {
    return [...this.#made.events.values()].flat().filter((event) => event.what === what && this.#isMine(event));
  }

  #isMine(event: HistoryEvent): boolean {
    return isOf(event, this.#attempt);
  }
}

type Added<E> = E extends AttemptEvent ? Omit<E, 'attempt'> : never;

/** In a history that was made up, claims are numbered like attempts. */
function isOf(event: HistoryEvent, attempt: number): boolean {
  if ('attempt' in event) return event.attempt === attempt;
  const claims = 'claims' in event ? event.claims.map(({ id }) => id) : 'ids' in event ? event.ids : [];
  return [...claims, ...('id' in event ? [event.id] : [])].some((id) => id.endsWith(`:${attempt}`));
}

describe.each(SEEDS)('The checker, given a history of contention (seed %i),', (seed) => {
  it('has nothing to say of a perfect lock', () => {
    const story = new Story(seed);

    expect(checkHistory(story.tell(), CALM)).toEqual([]);
    expect(story.tell().holds.length).toBeGreaterThan(150);
    expect(story.tell().claims.filter(({ queuedBy }) => queuedBy !== undefined).length).toBeGreaterThan(50);
  });

  const mutations: [string, RuleName, (story: Story) => void][] = [
    ['a holder who stays until the next has come', 'exclusion', (story) => story.postpone('checked', 40)],
    [
      'what the lock protects, changed by another who held it, too',
      'exclusion',
      (story) => story.change('wrote', () => ({ found: story.neighbour(1) })),
    ],
    ['the token of the hold before', 'fencing', (story) => story.takeToken(story.neighbour(-1))],
    ['the token of the hold after', 'fencing', (story) => story.takeToken(story.neighbour(1))],
    [
      'a token below that of the hold before, of one that was never used',
      'fencing',
      (story) => {
        for (const what of ['told', 'granted'] as const) story.change(what, () => ({ token: '1' }));
      },
    ],
    ['a resource that lets in a lower token', 'fencing', ({ accepted }) => accepted.push(accepted[3]!)],
    ['a holder that the resource refuses', 'fencing', (story) => story.change('fenced', () => ({ accepted: false }))],
    [
      'an abort after the validity has ended',
      'validity',
      (story) => {
        const validUntil = story.at('asked') + TTL_MS;
        story.postponeAll(story.at('checked'), 3 * TTL_MS);
        story.add({ what: 'aborted', at: validUntil + 5, why: 'LOCK_EXPIRED' });
      },
    ],
    ['no abort at all', 'validity', (story) => story.postponeAll(story.at('checked'), 2 * TTL_MS)],
    [
      'an abort long before it needs to be',
      'validity',
      (story) => story.add({ what: 'aborted', at: story.at('checked'), why: 'LOCK_EXPIRED' }),
    ],
    [
      'assertHeld() that passes after the abort',
      'validity',
      (story) => story.add({ what: 'aborted', at: story.at('checked') - 0.1, why: 'LOCK_STOLEN' }),
    ],
    [
      'assertHeld() that throws while it is held',
      'validity',
      (story) => story.change('checked', () => ({ held: false })),
    ],
    [
      'a waiter who is passed by others',
      'fairness',
      (story) => {
        const { at: askedAt } = { at: story.at('asked') - 100 };
        for (const what of ['asked', 'claiming'] as const) story.change(what, () => ({ at: askedAt }));
        story.change('claimed', () => ({ at: askedAt + 1, sentAt: askedAt, since: askedAt }));
      },
    ],
    [
      'a waiter who is not woken',
      'wake-up',
      (story) => {
        story.postponeAll(story.at('told') - 0.001, 1_500);
        story.change('claimed', ({ at }) => ({ at, sentAt: at - 0.1, since: at + 1_400 }));
      },
    ],
    [
      'a release that says "stolen" though nobody else had it',
      'outcome',
      (story) => story.change('released', () => ({ outcome: 'stolen' })),
    ],
    [
      'a release that says "expired" in time',
      'outcome',
      (story) => story.change('released', () => ({ outcome: 'expired' })),
    ],
    ['a release that says "forced"', 'outcome', (story) => story.change('released', () => ({ outcome: 'forced' }))],
    [
      'a release that says "released" though others had it meanwhile',
      'outcome',
      (story) => story.postpone('releasing', 100),
    ],
    [
      'a release that says something else when it is asked again',
      'outcome',
      (story) => story.add({ what: 'released', at: story.at('released') + 1, outcome: 'expired' }),
    ],
    [
      'a process with an unhandled rejection',
      'process',
      (story) => story.addToProcess({ what: 'trouble', at: story.at('left'), message: 'unhandled rejection' }),
    ],
  ];

  it.each(mutations)('catches %s', (_, rule, mutate) => {
    const story = new Story(seed);
    mutate(story);
    expect(story.rules()).toContain(rule);
  });
});

describe('The checker does not blame the lock for', () => {
  const story = (): Story => new Story(7);

  it('a holder that stood still beyond its time, and wrote before it looked', () => {
    const told = story();
    const stoppedAt = told.at('checked') + 0.001;
    const stillFor = 2 * TTL_MS;
    told.postponeAll(told.at('wrote'), stillFor - 40);
    told.postpone('wrote', 40);
    told.addToProcess({ what: 'stalled', at: stoppedAt + stillFor, from: stoppedAt });
    told.add({ what: 'aborted', at: stoppedAt + stillFor + 1, why: 'LOCK_EXPIRED' });
    told.change('released', () => ({ outcome: 'stolen' }));

    // Those behind it have waited for so long that they would have had to beat.
    const about = checkHistory(told.tell(), CALM).filter(({ message }) => message.includes(told.mark));
    expect(about).toEqual([]);
    expect(told.rules()).toEqual(['validity']);
  });

  it('the same holder, unless it went on long after it stood still', () => {
    const told = story();
    const stoppedAt = told.at('checked') + 0.001;
    told.postpone('wrote', 3 * TTL_MS);
    told.addToProcess({ what: 'stalled', at: stoppedAt + 2 * TTL_MS, from: stoppedAt });

    expect(told.rules()).toContain('validity');
  });

  it('an end that was in time by what was known of it, where a renewal is answered afterwards, but for one that was known', () => {
    const end = (answeredAfterMs: number): RuleName[] => {
      const told = story();
      const validUntil = told.at('asked') + TTL_MS;
      told.postpone('checked', 3 * TTL_MS);
      told.change('checked', () => ({ held: false }));
      const at = validUntil - 30 + answeredAfterMs;
      const renewed = { ids: [told.id], ttls: [TTL_MS], states: ['renewed'], tokens: [null] };
      told.addToProcess({ what: 'renewed', at, since: [validUntil - 60], ...renewed });
      told.add({ what: 'aborted', at: validUntil - 30, why: 'LOCK_EXPIRED' });
      return told.rules();
    };

    expect(end(5)).not.toContain('validity');
    expect(end(-5)).toContain('validity');
  });

  it('a second grant after a failover that lost the first, and counts it', () => {
    const told = story();
    told.postpone('checked', 40);
    const losses = [{ from: told.at('granted') + 1, to: told.at('granted') + 2 }];

    expect(told.rules({ losses })).not.toContain('exclusion');
    expect(countDoubleGrants(told.tell(), { ...CALM, losses })).toBeGreaterThan(0);
  });

  it('a second grant where the failover came after both', () => {
    const told = story();
    told.postpone('checked', 40);
    const losses = [{ from: told.at('granted') + 900, to: told.at('granted') + 1_000 }];

    expect(told.rules({ losses })).toContain('exclusion');
  });

  it('a hold that an operator took away before the next was granted', () => {
    const told = story();
    const forcedAt = told.at('left') - 0.3;
    told.postpone('checked', 40);
    told.addToProcess({ what: 'forced', at: forcedAt + 0.4, sentAt: forcedAt, key: 'hot', holds: 1 });
    told.change('released', () => ({ outcome: 'forced' }));

    expect(told.rules()).toEqual([]);
  });

  it('the lease of a waiter who is dead, but for longer waits', () => {
    const wait = (byMs: number): RuleName[] => {
      const told = story();
      const diesAt = told.at('claimed') + 0.001;
      told.postponeAll(told.at('told') - 1, byMs);
      told.die(diesAt);
      return told.rules();
    };

    expect(wait(1.5 * TTL_MS)).not.toContain('wake-up');
    expect(wait(6 * TTL_MS)).toContain('wake-up');
  });
});
