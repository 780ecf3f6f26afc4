import { describe, expect, it } from '@jest/globals';
import { slotOf } from '@nuthatch/redis/internal';
import fc from 'fast-check';
import { LockCallError } from './lock.errors.js';
import { lockKey } from './lock-key.js';

const ROOT = 'app:lock:';
const keyOf = (name: string): string => lockKey(ROOT, name);

// Few characters, and those that keys are made of: names of them collide if any names do.
const hostile = fc.string({
  unit: fc.constantFrom('a', ':', '%', '3', 'A', '{', '}', '@', ' ', '\uD800', 'sha256', 'rw:'),
  minLength: 1,
  maxLength: 8,
});
const tag = fc.string({ unit: fc.constantFrom('a', '4', '2', ':', '{', '@', 'é'), minLength: 1, maxLength: 4 });
const tagged = fc.tuple(hostile, tag, hostile).map(([before, inner, after]) => `${before}{${inner}}${after}`);
const long = fc.tuple(hostile, fc.integer({ min: 120, max: 140 })).map(([part, times]) => part.repeat(times));
const longTagged = fc.tuple(tagged, fc.integer({ min: 120, max: 140 })).map(([part, times]) => part.repeat(times));
const anyName = fc.oneof(hostile, tagged, long, longTagged, fc.string({ unit: 'binary', minLength: 1 }));

describe('The key of a lock', () => {
  it('is its name, as the hash tag', () => {
    expect(keyOf('orders:42')).toBe('app:lock:{orders%3A42}');
    expect(keyOf('Zoë')).toBe('app:lock:{Zoë}');
  });

  it('of a name with a hash tag is in the slot of that tag', () => {
    expect(keyOf('acct:{42}:a')).toBe('app:lock:@acct:{42}:a');
    expect(keyOf('{user:42}')).toBe('app:lock:@{user:42}');
    expect(keyOf('a{42}b{43}')).toBe('app:lock:@a{42}b%7B43%7D');
    expect(slotOf(keyOf('acct:{42}:a'))).toBe(slotOf(keyOf('other:{42}')));
    expect(slotOf(keyOf('acct:{42}:a'))).toBe(slotOf('42'));
  });

  it.each(['{}', 'a{}b', '{', '}', '}{', 'a{b', '{}{a}', '{{a}}', '{a b}', '{a*}', '{a%20}', '{a\u0085}', '{a\uD800}'])(
    'of %p has no tag but its own',
    (name) => {
      expect(keyOf(name)).toMatch(/^app:lock:\{[^{}]+\}$/);
    },
  );

  it('stays short, however long the name is', () => {
    expect(keyOf('x'.repeat(128))).toBe(`app:lock:{${'x'.repeat(128)}}`);
    for (const length of [129, 10_240, 1_000_000])
      expect(keyOf('x'.repeat(length))).toMatch(/^app:lock:\{%sha256:[\w-]{43}\}$/);
    expect(keyOf(`{42}${'x'.repeat(10_240)}`)).toMatch(/^app:lock:@\{42\}%sha256:[\w-]{43}$/);
    expect(keyOf(`{${'x'.repeat(10_240)}}`)).toMatch(/^app:lock:\{%sha256:[\w-]{43}\}$/);
  });

  it('is never shared by two names, whoever chose them', () => {
    fc.assert(
      fc.property(anyName, anyName, (one, other) => {
        fc.pre(one !== other);

        expect(keyOf(one)).not.toBe(keyOf(other));
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes text that is not well-formed, and tells it apart', () => {
    const names = ['\uD800', '\uD801', '\uDC00', '\uFFFD', '{a}\uD800', '{a}\uD801', '{a}\uFFFD'];

    expect(new Set(names.map(keyOf)).size).toBe(names.length);
  });

  it('is not shared with what looks like another key', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const key = keyOf(name).slice(ROOT.length);
        const lookalikes = [key, key.slice(1), key.slice(1, -1), key.slice(2, -1)].filter((text) => text !== '');

        for (const text of lookalikes) if (text !== name) expect(keyOf(text)).not.toBe(keyOf(name));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is not shared by locks of different kinds', () => {
    const roots = [ROOT, `${ROOT}semaphore:`, `${ROOT}rw:`, `${ROOT}election:`];
    fc.assert(
      fc.property(anyName, anyName, (one, other) => {
        const keys = roots.flatMap((root) => [...new Set([lockKey(root, one), lockKey(root, other)])]);

        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });

  it('can be taken apart into the name, unless that was hashed', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const rest = keyOf(name).slice(ROOT.length);
        fc.pre(!rest.includes('%sha256:'));

        expect(decodeURIComponent(rest.startsWith('@') ? rest.slice(1) : rest.slice(1, -1))).toBe(name);
      }),
    );
  });

  it('has one hash tag, and nothing that means something in a pattern or a line of a protocol', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const key = keyOf(name);

        expect(key.replace(/[^{}]/g, '')).toBe('{}');
        // oxlint-disable-next-line no-control-regex -- none of them may be there
        expect(key).not.toMatch(/\{\}|[*?[\]\\^\u0000-\u0020\u007f]/);
        expect(Buffer.byteLength(key)).toBeLessThan(500);
      }),
    );
  });

  it('is in the slot that Redis gives to the name, if that has a tag of plain characters', () => {
    fc.assert(
      fc.property(fc.oneof(tagged, longTagged), (name) => {
        const [, inner] = /^[^{]*\{([^}]+)\}/.exec(name) ?? [];
        fc.pre(inner !== undefined && /^[a-z0-9:@é]+$/.test(inner));

        expect(slotOf(keyOf(name))).toBe(slotOf(name));
      }),
    );
  });

  it.each([
    ['', 'empty'],
    [undefined, 'of type undefined'],
    [null, 'null'],
    [42, 'of type number'],
    [{}, 'of type object'],
  ])('is not made for %p', (name, shown) => {
    expect(() => keyOf(name as string)).toThrow(
      new LockCallError(`The key of a lock is ${shown}. Give the name of what it protects, such as "orders:42".`),
    );
  });
});
