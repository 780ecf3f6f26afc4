import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Arrivals } from './arrivals.js';

class Caller {
  ahead: Caller | undefined;
  behind: Caller | undefined;

  constructor(readonly name: number) {}
}

describe('Arrivals', () => {
  it('are in the order in which they came, whoever leaves', () => {
    const steps = fc.array(fc.record({ comes: fc.boolean(), which: fc.nat(6) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const callers = Array.from({ length: 7 }, (_, name) => new Caller(name));
        const arrivals = new Arrivals<Caller>();
        const model = new Set<Caller>();
        for (const { comes, which } of all) {
          const caller = callers[which]!;
          if (comes) arrivals.add(caller);
          else arrivals.delete(caller);
          if (comes) model.add(caller);
          else model.delete(caller);
          expect(arrivals.all().map(({ name }) => name)).toEqual([...model].map(({ name }) => name));
          expect([arrivals.isEmpty, arrivals.has(caller)]).toEqual([model.size === 0, comes]);
        }
        const odd = [...model].find(({ name }) => name % 2 === 1);
        expect(arrivals.find(({ name }) => name % 2 === 1)).toBe(odd);
      }),
    );
  });

  it('know nothing any more of who has left', () => {
    const [first, second, third] = [new Caller(1), new Caller(2), new Caller(3)];
    const arrivals = new Arrivals<Caller>();
    for (const caller of [first, second, third]) arrivals.add(caller);
    arrivals.delete(second);

    expect([second.ahead, second.behind]).toEqual([undefined, undefined]);
    expect(first.behind).toBe(third);
  });
});
