import { describe, expect, it } from '@jest/globals';
import { problemOf } from './problem.js';

const policies = [{ name: 'login' }, { name: 'burst' }, { name: 'trial', shadow: true }];

describe('The problem of a denial', () => {
  it('is the registered one, with the policies that deny and the wait', () => {
    expect(problemOf({ violated: ['login'], retryAfterMs: 12_001 }, policies)).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      detail: 'The limit "login" is reached. Try again in 13 seconds.',
      'violated-policies': ['login'],
      retryAfterMs: 12_001,
    });
  });

  it('names every policy once, and none of the shadow', () => {
    const violated = ['login', 'trial', 'login', 'burst'];
    const problem = problemOf({ violated, retryAfterMs: 1_000 }, policies);

    expect(problem['violated-policies']).toEqual(['login', 'burst']);
    expect(problem.detail).toBe('The limits "login", "burst" are reached. Try again in 1 second.');
  });

  it('always asks for a wait', () => {
    expect(problemOf({ violated: [], retryAfterMs: 0 }, policies)).toMatchObject({
      detail: 'A limit is reached. Try again in 1 second.',
      'violated-policies': [],
      retryAfterMs: 1,
    });
  });
});
