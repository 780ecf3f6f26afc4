import { describe, expect, it } from '@jest/globals';
import { RedisKeyError } from '@nuthatch/redis';
import { keyPattern } from './key-pattern.js';

describe('A pattern of keys', () => {
  it('has its wildcards where they are written, not where they are inserted', () => {
    expect(keyPattern`project:${7}:*`).toBe('project:7:*');
    expect(keyPattern`project:${'*'}:*`).toBe('project:%2A:*');
    expect(keyPattern`${'a:b'}:${'[x]?'}-?:${true}${10n}*`).toBe('a%3Ab:%5Bx%5D%3F-?:true10*');
  });

  it('takes what is written as it is, also a backslash', () => {
    expect(keyPattern`project:\*`).toBe('project:\\*');
    expect(keyPattern`project:[ab]*`).toBe('project:[ab]*');
  });

  it.each(['', undefined, null, Number.NaN])('refuses to leave out a part that is no segment of a key: %p', (part) => {
    expect(() => keyPattern`project:${part as string}:*`).toThrow(RedisKeyError);
  });
});
