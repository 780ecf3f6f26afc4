import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CacheKeyError } from '../cache.errors.js';
import { cacheKeyText } from './cache-key.js';
import { cacheGlob } from './cache-pattern.js';
import { globPattern } from '../drivers/glob.js';
import { keyPattern } from './key-pattern.js';

const PREFIX = 'app:cache:default:';

/** Whether a pattern finds the key, as Redis would match the one with the other. */
const finds = (glob: string, key: string | readonly string[]): boolean =>
  globPattern(cacheGlob(PREFIX, glob, true)).test(PREFIX + cacheKeyText(key));

describe('A pattern of keys', () => {
  it.each<[glob: string, found: (string | string[])[], others: (string | string[])[]]>([
    ['user:*', ['user:1', 'user:1:name'], ['users:1', 'user']],
    ['user:?', ['user:1'], ['user:12']],
    ['user:[12]', ['user:1', 'user:2'], ['user:3']],
    ['*:name', ['user:1:name'], ['user:1:age']],
    ['a*b', ['ab', 'a-b', 'a:b', 'a*b'], ['a']],
    ['a\\*b', ['a*b'], ['ab', 'a-b', 'axxb']],
    ['a\\?\\[\\]\\\\\\^b', [['a?[]\\^b']], ['ab']],
    ['a b{c}%', ['a b{c}%'], ['ab{c}%']],
    ['caf\\é*', ['café:1'], ['cafe']],
    ['a^b]', ['a^b]'], ['ab']],
    ['a\\:b', ['a:b'], [['a:b']]],
  ])('%p finds the keys that it is written for', (glob, found, others) => {
    expect(found.filter((key) => !finds(glob, key))).toEqual([]);
    expect(others.filter((key) => finds(glob, key))).toEqual([]);
  });

  it('finds the keys that what users have typed is a part of, and no others', () => {
    const segment = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(segment, segment, segment, (typed, rest, other) => {
        const glob = keyPattern`user:${typed}:*`;

        expect(finds(glob, ['user', typed, rest])).toBe(true);
        expect(finds(glob, ['user', other, rest])).toBe(typed === other);
      }),
    );
  });

  it('lies within its namespace, whatever that is called', () => {
    const glob = globPattern(cacheGlob('app:cache:a.b:', '*', true));

    expect(glob.test('app:cache:a.b:key')).toBe(true);
    expect(glob.test('app:cache:axb:key')).toBe(false);
    expect(globPattern(cacheGlob('a[p]p*:', 'k')).test('a[p]p*:k')).toBe(true);
    expect(globPattern(cacheGlob('a[p]p*:', 'k')).test('app:x:k')).toBe(false);
  });

  it.each(['*', '**', '?*', '*:*', ':*'])('that matches everything has to be meant: %p', (glob) => {
    expect(() => cacheGlob(PREFIX, glob)).toThrow(CacheKeyError);
    expect(() => cacheGlob(PREFIX, glob)).toThrow(
      `The pattern "${glob}" matches every key of the namespace. Use clear(), or say { all: true } if that is meant.`,
    );
    expect(finds(glob, 'any:key')).toBe(globPattern(glob).test('any:key'));
  });

  it.each([
    ['', 'has 0 characters'],
    ['x'.repeat(1_025), 'has 1025 characters'],
    [undefined, 'is of type undefined'],
    [7, 'is of type number'],
    [null, 'is of type object'],
  ])('is refused when it is none: %p', (glob, problem) => {
    expect(() => cacheGlob(PREFIX, glob as string)).toThrow(CacheKeyError);
    expect(() => cacheGlob(PREFIX, glob as string)).toThrow(`A pattern ${problem}.`);
  });
});
