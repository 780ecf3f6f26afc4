import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Backoff } from './backoff.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** How long the source is spared from now on, in milliseconds. */
function pauseOf(backoff: Backoff, name: string): number {
  for (let ms = 0; ; ms += 50) {
    if (!backoff.pauses(name)) return ms;
    jest.advanceTimersByTime(50);
  }
}

describe('A source that keeps failing', () => {
  it('is asked again at once after its first failure, and then after twice as long each time, up to ten seconds', () => {
    const backoff = new Backoff();
    const pauses = Array.from({ length: 9 }, () => {
      backoff.failed('a');
      return pauseOf(backoff, 'a');
    });

    expect(pauses).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('is forgiven with its first success', () => {
    const backoff = new Backoff();
    for (let count = 0; count < 5; count++) backoff.failed('a');
    expect(backoff.pauses('a')).toBe(true);

    backoff.succeeded('a');
    expect(backoff.pauses('a')).toBe(false);
    backoff.failed('a');
    expect(backoff.pauses('a')).toBe(false);
  });

  it('does not spare the others', () => {
    const backoff = new Backoff();
    for (let count = 0; count < 5; count++) backoff.failed('a');

    expect(backoff.pauses('b')).toBe(false);
  });

  it('is one of at most a thousand that are remembered', () => {
    const backoff = new Backoff();
    const fail = (): void =>
      Array.from({ length: 1_001 }, (_, index) => `${index}`).forEach((name) => backoff.failed(name));
    fail();
    fail();

    // Each was forgotten by the time that it failed again.
    expect(backoff.pauses('1000')).toBe(false);
    backoff.failed('1000');
    expect(backoff.pauses('1000')).toBe(true);
  });
});
