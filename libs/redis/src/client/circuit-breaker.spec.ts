import { beforeEach, describe, expect, it } from '@jest/globals';
import { CircuitBreaker, type BreakerState } from './circuit-breaker.js';

let now: number;
let changes: BreakerState[];
let breaker: CircuitBreaker;

beforeEach(() => {
  now = 5_000;
  changes = [];
  breaker = new CircuitBreaker(
    { failures: 3, resetAfterMs: 1_000 },
    (state) => changes.push(state),
    () => now,
  );
});

function fail(times: number): void {
  for (let count = 0; count < times; count++) breaker.fail();
}

describe('The circuit breaker', () => {
  it('lets calls pass until so many have failed in a row', () => {
    fail(2);

    expect(breaker.admit()).toBe('pass');
    expect(breaker.failures).toBe(2);
    expect(breaker.retryAfterMs).toBe(0);
    expect(changes).toEqual([]);

    fail(1);

    expect(breaker.state).toBe('open');
    expect(breaker.admit()).toBe('refuse');
    expect(changes).toEqual(['open']);
  });

  it('starts to count anew after any success', () => {
    fail(2);
    breaker.succeed();
    fail(2);

    expect(breaker.state).toBe('closed');
    expect(breaker.failures).toBe(2);
  });

  it('tells how long it stays open', () => {
    fail(3);
    now += 400.5;

    expect(breaker.retryAfterMs).toBe(600);

    now += 10_000;

    expect(breaker.retryAfterMs).toBe(0);
  });

  it('lets one call through as a probe when its time is over, and refuses the others meanwhile', () => {
    fail(3);
    now += 999;
    expect(breaker.admit()).toBe('refuse');
    now += 1;

    expect(breaker.admit()).toBe('probe');
    expect(breaker.state).toBe('half-open');
    expect(breaker.admit()).toBe('refuse');
  });

  it('closes when the probe succeeds', () => {
    fail(3);
    now += 1_000;
    breaker.admit();

    breaker.succeed();

    expect(breaker.admit()).toBe('pass');
    expect(breaker.failures).toBe(0);
    expect(changes).toEqual(['open', 'half-open', 'closed']);
  });

  it('stays open for the whole time once more when the probe fails', () => {
    fail(3);
    now += 1_000;
    breaker.admit();

    breaker.fail();

    expect(breaker.admit()).toBe('refuse');
    expect(breaker.retryAfterMs).toBe(1_000);
    expect(changes).toEqual(['open', 'half-open', 'open']);
  });

  it('does not push the probe out for calls that were under way when it opened', () => {
    fail(3);
    now += 900;
    fail(5);
    now += 100;

    expect(breaker.admit()).toBe('probe');
  });

  it('closes at once when something else proves that Redis is back', () => {
    fail(3);

    breaker.succeed();

    expect(breaker.admit()).toBe('pass');
    expect(changes).toEqual(['open', 'closed']);
  });

  it('reports a change once, and nothing when nothing has changed', () => {
    breaker.succeed();
    fail(10);
    breaker.succeed();
    breaker.succeed();

    expect(changes).toEqual(['open', 'closed']);
  });
});
