import { beforeEach, describe, expect, it } from '@jest/globals';
import { SingleFlight } from './single-flight.js';

interface Run {
  readonly key: string;
  finish(value: string): void;
  fail(error: Error): void;
}

let runs: Run[];
let flights: SingleFlight<string>;

beforeEach(() => {
  runs = [];
  flights = new SingleFlight();
});

function call(key: string): Promise<string> {
  return flights.run(key, () => new Promise((finish, fail) => runs.push({ key, finish, fail })));
}

describe('Concurrent callers', () => {
  it('of one key share one run', async () => {
    const calls = [call('a'), call('a'), call('a')];
    runs[0]!.finish('once');

    expect(await Promise.all(calls)).toEqual(['once', 'once', 'once']);
    expect(runs).toHaveLength(1);
  });

  it('of different keys do not wait for each other', async () => {
    const [a, b] = [call('a'), call('b')];
    runs[1]!.finish('second');

    expect(await b).toBe('second');
    runs[0]!.finish('first');
    expect(await a).toBe('first');
  });

  it('share the failure, too, and the next caller begins anew', async () => {
    const calls = [call('a'), call('a')];
    runs[0]!.fail(new Error('down'));

    expect(await Promise.allSettled(calls)).toMatchObject([
      { reason: new Error('down') },
      { reason: new Error('down') },
    ]);
    const next = call('a');
    runs[1]!.finish('up again');
    expect(await next).toBe('up again');
  });

  it('do not get what was found before they came', async () => {
    const first = call('a');
    runs[0]!.finish('old');
    await first;

    const second = call('a');
    runs[1]!.finish('new');

    expect(await second).toBe('new');
  });

  it('do not join a run that was forgotten', async () => {
    const before = call('a');
    flights.forget('a');
    const after = call('a');
    runs[1]!.finish('after');
    runs[0]!.finish('before');

    expect(await Promise.all([before, after])).toEqual(['before', 'after']);
  });

  it('still share the newer run when a forgotten one ends first', async () => {
    const forgotten = call('a');
    flights.forget('a');
    const newer = call('a');
    runs[0]!.finish('forgotten');
    await forgotten;

    const joined = call('a');
    runs[1]!.finish('newer');

    expect(await Promise.all([newer, joined])).toEqual(['newer', 'newer']);
    expect(runs).toHaveLength(2);
  });
});
