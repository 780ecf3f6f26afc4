import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { escapeGlob, joinKey } from './key.js';
import { RedisKeyError } from './redis.errors.js';
import { slotOf } from './slot.js';

// Few characters, and those that the escape is made of: lists of them collide if any lists do.
const hostile = fc.string({
  unit: fc.constantFrom('a', ':', '%', '3', 'A', '2', '5', '{', '}'),
  minLength: 1,
  maxLength: 6,
});
const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 });
const segments = fc.array(fc.oneof(hostile, anyText), { minLength: 1, maxLength: 6 });

describe('A key', () => {
  it('is its segments, joined by colons', () => {
    expect(joinKey(['user', 42, 10n, true, 'né-\u{1F426}_.'])).toBe('user:42:10:true:né-\u{1F426}_.');
  });

  it('differs whenever the segments do', () => {
    fc.assert(
      fc.property(
        fc.array(hostile, { minLength: 1, maxLength: 3 }),
        fc.array(hostile, { minLength: 1, maxLength: 3 }),
        (one, other) => {
          fc.pre(one.length !== other.length || one.some((segment, index) => segment !== other[index]));

          expect(joinKey(one)).not.toBe(joinKey(other));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('can be taken apart into the very segments it was made of', () => {
    fc.assert(
      fc.property(segments, (list) => {
        expect(joinKey(list).split(':').map(decodeURIComponent)).toEqual(list);
      }),
    );
  });

  it('never holds what a hash slot, a glob pattern or a line of a protocol is made of', () => {
    fc.assert(
      fc.property(segments, (list) => {
        // oxlint-disable-next-line no-control-regex -- none of them may be there
        expect(joinKey(list)).not.toMatch(/[{}*?[\]\\^\u0000-\u0020\u007f]/);
      }),
    );
  });

  it('cannot be put into a slot of its choice by whoever chose a segment', () => {
    expect(slotOf(joinKey(['user', '{admin}']))).not.toBe(slotOf('admin'));
  });

  it.each([
    ['no segments', [], /has no segments\. Give at least one\./],
    ['an empty segment', ['user', ''], /Segment 2 of a key is empty\. Give a string that is not empty/],
    ['an undefined segment', [undefined], /Segment 1 of a key is undefined\. Give a string/],
    ['a null segment', [null], /Segment 1 of a key is null\. Give a string/],
    ['an object', [{ id: 1 }], /Segment 1 of a key is object\. Give a string/],
    ['NaN', ['page', Number.NaN], /Segment 2 of a key is NaN\. Give a string that is not empty, a number/],
    ['Infinity', [Infinity], /Segment 1 of a key is Infinity\./],
    ['a lone high surrogate', ['\ud83d'], /Segment 1 of a key is not well-formed Unicode\./],
    ['a lone low surrogate', ['ok', 'a\udc26b'], /Segment 2 of a key is not well-formed Unicode\./],
  ])('with %s is refused, and the error says what to give', (_, list, message) => {
    const act = (): string => joinKey(list as string[]);

    expect(act).toThrow(RedisKeyError);
    expect(act).toThrow(message);
  });

  it('has at most 1,024 bytes, and the error for more names the fix', () => {
    expect(joinKey(['x'.repeat(1_024)])).toHaveLength(1_024);
    expect(() => joinKey(['x'.repeat(1_025)])).toThrow(
      new RedisKeyError(`The key "${'x'.repeat(40)}..." has 1025 bytes, more than 1024. Use a hash of its long part.`),
    );
  });

  it('is measured as it is sent: in bytes, after escaping', () => {
    expect(() => joinKey(['é'.repeat(513)])).toThrow(/has 1026 bytes/);
    expect(() => joinKey([' '.repeat(342)])).toThrow(/has 1026 bytes/);
    expect(() => joinKey(['\u{20AC}'.repeat(342)])).toThrow(/has 1026 bytes/);
  });
});

describe('A text in a glob pattern', () => {
  it('means only itself after escaping', () => {
    expect(escapeGlob('a*b?c[d]e\\f^g')).toBe('a\\*b\\?c\\[d\\]e\\\\f\\^g');
    expect(escapeGlob('app:cache:né')).toBe('app:cache:né');
  });
});
