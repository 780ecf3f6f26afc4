import { describe, expect, it } from '@jest/globals';
import { SpaceSaving } from './space-saving.js';

/** Numbers that are the same for the same seed (a linear congruential generator). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

const weightOf = ({ taken, denied }: { taken: number; denied: number }): number => taken + denied;

describe('Counters of who does the most', () => {
  it('count exactly as long as there are not more subjects than counters', () => {
    const counters = new SpaceSaving(3);
    counters.add('a', 2, 0);
    counters.add('b', 0, 1);
    counters.add('a', 3, 0);
    counters.add('a', 0, 1);
    counters.add('c', 1, 0);

    expect(counters.all()).toHaveLength(3);
    expect(counters.all()).toEqual(
      expect.arrayContaining([
        { subject: 'a', taken: 5, denied: 1 },
        { subject: 'b', taken: 0, denied: 1 },
        { subject: 'c', taken: 1, denied: 0 },
      ]),
    );
  });

  it('give the counter with the least to a new one, who is not told to have done what it inherits', () => {
    const counters = new SpaceSaving(2);
    counters.add('a', 10, 0);
    counters.add('b', 4, 0);
    counters.add('c', 1, 0);
    expect(
      counters
        .all()
        .map(({ subject }) => subject)
        .sort(),
    ).toEqual(['a', 'c']);
    expect(counters.all().find(({ subject }) => subject === 'c')).toEqual({ subject: 'c', taken: 1, denied: 0 });

    // It has 11 now, with what it inherited, and the other has 10.
    counters.add('c', 6, 0);
    counters.add('d', 1, 0);
    expect(
      counters
        .all()
        .map(({ subject }) => subject)
        .sort(),
    ).toEqual(['c', 'd']);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'have everybody with more than their share, and overstate nobody, whatever comes in which order (seed %d)',
    (seed) => {
      const random = randoms(seed);
      const size = 20;
      const counters = new SpaceSaving(size);
      const truth = new Map<string, number>();
      let all = 0;
      for (let call = 0; call < 20_000; call++) {
        const many = seed % 2 === 0 && random() < 0.5;
        const subject = many ? `once:${call}` : `user:${Math.floor(random() ** 3 * 300)}`;
        const cost = 1 + Math.floor(random() * 3);
        const denied = random() < 0.3;
        counters.add(subject, denied ? 0 : cost, denied ? cost : 0);
        truth.set(subject, (truth.get(subject) ?? 0) + cost);
        all += cost;
      }

      const counted = new Map(counters.all().map((one) => [one.subject, weightOf(one)]));
      const big = [...truth].filter(([, weight]) => weight > all / size);
      expect(counted.size).toBe(size);
      expect(big.length).toBeGreaterThan(0);
      for (const [subject] of big) expect(counted.has(subject)).toBe(true);
      for (const [subject, weight] of counted) expect(weight).toBeLessThanOrEqual(truth.get(subject)!);
    },
  );

  it('finds whoever comes again and again in a flood of those that come once', () => {
    const counters = new SpaceSaving(10);
    for (let call = 0; call < 10_000; call++) {
      counters.add(`once:${call}`, 1, 0);
      if (call % 5 === 0) counters.add('again', 0, 1);
    }
    const again = counters.all().find(({ subject }) => subject === 'again');
    expect(again!.denied).toBeGreaterThan(1_900);
  });
});
