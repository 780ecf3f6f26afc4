import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RepeatedClaims } from './repeated-claims.js';

const ARGS = (...ids: string[]): string[] => ['again', 'app:lock:process:', ...ids.map((id) => `${id} 1 1 30000000 0`)];
let released: string[];
let claims: RepeatedClaims;

beforeEach(() => {
  jest.useFakeTimers();
  released = [];
  claims = new RepeatedClaims(async (key, id) => released.push(`${key} ${id}`));
});
afterEach(() => void jest.useRealTimers());

describe('What was granted to a claim that was sent twice', () => {
  it('is released once more when what was sent first can do nothing any more', () => {
    claims.note(ARGS('p:1', 'p:2'), performance.now() + 1_000);
    jest.advanceTimersByTime(400);
    claims.released('k', 'p:2');
    jest.advanceTimersByTime(600);
    expect(released).toEqual([]);
    jest.advanceTimersByTime(1);

    expect(released).toEqual(['k p:2']);
  });

  it('is released once where the claim was sent once', () => {
    claims.note(ARGS('p:1'), performance.now() + 1_000);
    claims.released('k', 'p:2');
    jest.advanceTimersByTime(5_000);

    expect(released).toEqual([]);
  });

  it('is not looked after when the driver is closed', () => {
    claims.note(ARGS('p:1'), performance.now() + 1_000);
    claims.released('k', 'p:1');
    claims.close();
    jest.advanceTimersByTime(5_000);

    expect(released).toEqual([]);
  });
});
