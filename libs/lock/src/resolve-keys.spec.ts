import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LockCallError } from './lock.errors.js';
import { resolveKeys } from './resolve-keys.js';

const ROOT = 'app:lock:';
const labelsOf = (keys: string | readonly string[]): string[] => resolveKeys(ROOT, keys).map(({ label }) => label);

describe('The keys of a lock', () => {
  it('may be one', () => {
    expect(resolveKeys(ROOT, 'orders:42')).toEqual([
      { kind: 'lock', label: 'orders:42', key: 'app:lock:{orders%3A42}', permits: 1, weight: 1 },
    ]);
  });

  it('are locked in the same order, however they are listed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 64 }), (names) => {
        const targets = resolveKeys(ROOT, names);

        expect(resolveKeys(ROOT, names.toReversed())).toEqual(targets);
        expect(targets.map(({ label }) => label).toSorted()).toEqual(names.toSorted());
        for (const [at, { key }] of targets.entries()) if (at > 0) expect(targets[at - 1]!.key < key).toBe(true);
      }),
    );
  });

  it('are locked once each', () => {
    expect(labelsOf(['b', 'a', 'b'])).toEqual(['a', 'b']);
    expect(labelsOf(['a', 'a'])).toEqual(['a']);
  });

  it('are not changed where they come from', () => {
    const keys = Object.freeze(['b', 'a']);

    expect(labelsOf(keys)).toEqual(['a', 'b']);
    expect(keys).toEqual(['b', 'a']);
  });

  it('are 64 at most', () => {
    const names = Array.from({ length: 65 }, (_, index) => `key-${index}`);

    expect(resolveKeys(ROOT, names.slice(1))).toHaveLength(64);
    expect(() => resolveKeys(ROOT, names)).toThrow(
      new LockCallError(
        'The list has 65 keys, more than 64. Lock what they have in common by one key, or lock them in parts.',
      ),
    );
  });

  it('are one at least', () => {
    expect(() => resolveKeys(ROOT, [])).toThrow(
      new LockCallError('The list of keys is empty. Give at least one key to lock.'),
    );
  });

  it.each([
    ['a hole', Array<string>(2)],
    ['an empty text', ['a', '']],
    ['a list', ['a', ['b']]],
    ['null', ['a', null]],
  ])('are all looked at: %s is refused', (_, keys) => {
    expect(() => resolveKeys(ROOT, keys as string[])).toThrow(LockCallError);
  });

  it.each([undefined, null, 42, {}])('are not %p', (keys) => {
    expect(() => resolveKeys(ROOT, keys as unknown as string)).toThrow(LockCallError);
  });
});
