import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Members } from './members.js';

describe('Members', () => {
  it('holds what a Set would hold, whatever comes and goes', () => {
    const steps = fc.array(fc.record({ add: fc.boolean(), which: fc.nat(9) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const known = Array.from({ length: 10 }, (_, name) => ({ name, place: -1 }));
        const [members, model] = [new Members<(typeof known)[number]>(), new Set<(typeof known)[number]>()];
        for (const { add, which } of all) {
          const member = known[which]!;
          if (add) members.add(member);
          else expect(members.delete(member)).toBe(model.has(member));
          if (add) model.add(member);
          else model.delete(member);
        }
        expect(members.size).toBe(model.size);
        expect(new Set(members)).toEqual(model);
        for (const member of known)
          expect(members.find((one) => one === member)).toBe(model.has(member) ? member : undefined);
      }),
    );
  });

  it('is read as it was when the reading began, though its members go meanwhile', () => {
    const members = new Members<{ place: number }>();
    for (let count = 0; count < 5; count++) members.add({ place: -1 });
    let read = 0;
    for (const member of members) {
      read += 1;
      members.delete(member);
    }
    expect(read).toBe(5);
    expect(members.size).toBe(0);
  });
});
