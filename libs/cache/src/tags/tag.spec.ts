import { describe, expect, it } from '@jest/globals';
import { CacheKeyError } from '../cache.errors.js';
import { checkTags, tagProblem } from './tag.js';

describe('A tag', () => {
  it.each(['a', 'product:42', 'a,b;c%', 'with space', 'é\u{1F426}', 'x'.repeat(256)])('may be %p', (tag) => {
    expect(tagProblem(tag)).toBeUndefined();
  });

  it.each([
    ['', 'empty'],
    ['a\u0000', 'control characters'],
    ['a\nb', 'control characters'],
    ['\u007f', 'control characters'],
    ['\u009f', 'control characters'],
    ['\ud83d', 'control characters'],
    ['x'.repeat(257), 'longer than 256 bytes'],
    ['é'.repeat(129), 'longer than 256 bytes'],
    [7, 'of type number'],
    [null, 'of type null'],
    [undefined, 'of type undefined'],
  ])('may not be %p', (tag, problem) => {
    expect(tagProblem(tag)).toContain(problem);
  });

  it('that is wrong is named by its place in the list', () => {
    expect(() => checkTags(['fine', ''])).toThrow(CacheKeyError);
    expect(() => checkTags(['fine', ''])).toThrow('Tag 2 is empty; give a string with at least one character.');
    expect(checkTags(['fine', 'also'])).toEqual(['fine', 'also']);
  });
});
