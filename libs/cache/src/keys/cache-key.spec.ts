import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NuthatchError } from '@nuthatch/redis';
import { cacheKeyText, type CacheKey } from './cache-key.js';
import { CacheKeyError } from '../cache.errors.js';

describe('A cache key', () => {
  it('is a text whose colons separate segments, or a list of them', () => {
    expect(cacheKeyText('user:42')).toBe('user:42');
    expect(cacheKeyText(['user', 42])).toBe('user:42');
    expect(cacheKeyText(['user', 42n, true])).toBe('user:42:true');
  });

  it('keeps what a user has typed within its segment', () => {
    expect(cacheKeyText(['search', 'a:b *'])).toBe('search:a%3Ab%20%2A');
    expect(cacheKeyText(['search', 'a:b'])).not.toBe(cacheKeyText(['search', 'a', 'b']));
  });

  it('means the same as a text and as the list of its parts', () => {
    const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }).filter((text) => !text.includes(':'));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        expect(cacheKeyText(parts.join(':'))).toBe(cacheKeyText(parts));
      }),
    );
  });

  it.each([
    ['', /Segment 1 of a key is empty/],
    ['user:', /Segment 2 of a key is empty/],
    ['user::42', /Segment 2 of a key is empty/],
    [[], /has no segments/],
    [['user', undefined], /Segment 2 of a key is undefined/],
    [['user', Number.NaN], /Segment 2 of a key is NaN/],
    ['x'.repeat(2_000), /more than 1024\. Use a hash/],
  ])('that is %j is refused with the reason', (key, message) => {
    const act = (): string => cacheKeyText(key as CacheKey);

    expect(act).toThrow(NuthatchError);
    expect(act).toThrow(message);
  });

  it.each([[42], [undefined], [null], [{ id: 1 }]])('that is %p is refused, and the error says what to give', (key) => {
    const act = (): string => cacheKeyText(key as unknown as CacheKey);

    expect(act).toThrow(CacheKeyError);
    expect(act).toThrow(/Give a string or a list of segments\.$/);
  });
});
