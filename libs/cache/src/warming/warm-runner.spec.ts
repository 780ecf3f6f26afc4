import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { WarmRunner } from './warm-runner.js';
import type { Warmer, WarmTask } from './warm-task.js';
import { EmbeddedWarmTurns, type WarmTurnReply, type WarmTurns } from './warm-turns.js';

afterEach(() => {
  jest.useRealTimers();
});

const warmer = (name: string, task: WarmTask, everyMs?: number): Warmer => ({ name, task, everyMs, place: 'the spec' });

/** A task that the spec lets go when it wants. */
function heldTask() {
  let begin!: () => void;
  let finish!: (entries?: number) => void;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const result = new Promise<number | void>((resolve) => (finish = resolve));
  const signals: AbortSignal[] = [];
  const task: WarmTask = ({ signal }) => {
    signals.push(signal);
    begin();
    return result;
  };
  return { task, begun, finish, signals };
}

/** Turns that the spec decides on. */
class FakeTurns implements WarmTurns {
  readonly ended: number[] = [];
  reply: () => WarmTurnReply = () => this.granted();
  lose: () => void = () => undefined;

  async take(): Promise<WarmTurnReply> {
    return this.reply();
  }

  granted(): WarmTurnReply {
    return {
      state: 'granted',
      turn: { onLost: (listener) => (this.lose = listener), end: async (ms) => void this.ended.push(ms) },
    };
  }
}

describe('Running warmers', () => {
  it('tells how many entries were warmed, where the warmer says it', async () => {
    const runner = new WarmRunner(new EmbeddedWarmTurns(), 2);

    expect(
      await runner.run(
        warmer('counted', async () => 7),
        'asked',
      ),
    ).toEqual({
      name: 'counted',
      took: expect.any(Number),
      outcome: 'done',
      entries: 7,
    });
    expect(
      await runner.run(
        warmer('silent', () => undefined),
        'asked',
      ),
    ).toEqual({
      name: 'silent',
      took: expect.any(Number),
      outcome: 'done',
    });
  });

  it.each<[string, WarmTask, string]>([
    [
      'throws',
      () => {
        throw new Error('no database');
      },
      'no database',
    ],
    ['rejects', () => Promise.reject(new Error('no database')), 'no database'],
    ['throws what is no error', () => Promise.reject('no database'), 'It threw no database.'],
  ])('reports a warmer that %s, and lets others try at once', async (_, task, message) => {
    const turns = new FakeTurns();

    const report = await new WarmRunner(turns, 2).run(warmer('failing', task, 60_000), 'due');

    expect(report).toMatchObject({ outcome: 'failed', error: { message } });
    expect(turns.ended).toEqual([0]);
  });

  it('lets nobody run it again for its period, when it is done', async () => {
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 2);

    await runner.run(
      warmer('periodic', () => undefined, 60_000),
      'asked',
    );
    await runner.run(
      warmer('once', () => undefined),
      'asked',
    );

    expect(turns.ended).toEqual([60_000, 0]);
  });

  it('runs no more at a time than it may, in the order in which they came', async () => {
    const runner = new WarmRunner(new EmbeddedWarmTurns(), 2);
    const held = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, ...heldTask() }));
    const order: string[] = [];
    const start = ({ name, task }: (typeof held)[number]) =>
      runner.run(
        warmer(name, (context) => (order.push(name), task(context))),
        'asked',
      );
    const runs = held.slice(0, 4).map(start);
    await Promise.all([held[0]!.begun, held[1]!.begun]);
    expect(order).toEqual(['a', 'b']);

    held[1]!.finish();
    await held[2]!.begun;
    runs.push(start(held[4]!));
    await new Promise(setImmediate);
    expect(order).toEqual(['a', 'b', 'c']);

    for (const { finish } of held) finish();
    expect((await Promise.all(runs)).map(({ outcome }) => outcome)).toEqual(Array.from(held, () => 'done'));
    expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('joins a run that is under way', async () => {
    const runner = new WarmRunner(new EmbeddedWarmTurns(), 2);
    const { task, begun, finish, signals } = heldTask();
    const held = warmer('events', task);
    const runs = [runner.run(held, 'due'), runner.run(held, 'asked'), runner.run(held, 'asked')];
    await begun;

    finish(3);

    const [first, ...joined] = await Promise.all(runs);
    expect(first).toMatchObject({ outcome: 'done', entries: 3 });
    expect(joined).toEqual([first, first]);
    expect(signals).toHaveLength(1);
  });

  it('runs for who asks, though a run that was due at that moment found it fresh', async () => {
    const turns = new FakeTurns();
    const replies: (() => WarmTurnReply)[] = [() => ({ state: 'fresh', forMs: 500 }), () => turns.granted()];
    turns.reply = () => replies.shift()!();
    const runner = new WarmRunner(turns, 2);
    const events = warmer('events', () => 1, 60_000);

    const [due, asked] = await Promise.all([runner.run(events, 'due'), runner.run(events, 'asked')]);

    expect(due).toMatchObject({ outcome: 'skipped', reason: 'fresh', freshFor: 500 });
    expect(asked).toMatchObject({ outcome: 'done', entries: 1 });
  });

  it('a warmer that runs other warmers, or itself, waits for neither slot nor itself', async () => {
    const runner = new WarmRunner(new EmbeddedWarmTurns(), 1);
    const inner = warmer('inner', () => 2);
    const nested: unknown[] = [];
    const outer: Warmer = warmer('outer', async () => {
      nested.push(await runner.run(inner, 'asked'), await runner.run(outer, 'asked'));
    });

    await runner.run(outer, 'asked');

    expect(nested).toMatchObject([
      { name: 'inner', outcome: 'done', entries: 2 },
      { name: 'outer', outcome: 'skipped', reason: 'running' },
    ]);
  });

  it('skips what another instance runs or has run', async () => {
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 2);
    const task = jest.fn<WarmTask>();

    turns.reply = () => ({ state: 'running' });
    expect(await runner.run(warmer('events', task), 'asked')).toMatchObject({ outcome: 'skipped', reason: 'running' });
    turns.reply = () => ({ state: 'fresh', forMs: 9 });
    expect(await runner.run(warmer('events', task), 'due')).toMatchObject({ outcome: 'skipped', freshFor: 9 });

    expect(task).not.toHaveBeenCalled();
    expect(turns.ended).toEqual([]);
  });

  it.each([
    new RedisUnreachableError('default', 'no connection could be made.', 'not-executed'),
    new RedisTimeoutError('default', 'evalsha', 1_000, 'unknown'),
  ])('warms nothing while Redis is away: %p', async (error) => {
    const turns = new FakeTurns();
    turns.reply = () => {
      throw error;
    };
    const task = jest.fn<WarmTask>();

    const report = await new WarmRunner(turns, 2).run(warmer('events', task), 'asked');

    expect(report).toMatchObject({ outcome: 'skipped', reason: 'redis-away' });
    expect(task).not.toHaveBeenCalled();
  });

  it('reports a Redis that refuses, and a task that found Redis away, as failures', async () => {
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 2);
    const away = new RedisUnreachableError('default', 'no connection could be made.', 'not-executed');

    expect(
      await runner.run(
        warmer('events', () => Promise.reject(away)),
        'asked',
      ),
    ).toMatchObject({
      outcome: 'failed',
      error: away,
    });
    turns.reply = () => {
      throw new Error('NOPERM this user has no permissions');
    };
    expect(
      await runner.run(
        warmer('events', () => undefined),
        'asked',
      ),
    ).toMatchObject({
      outcome: 'failed',
      error: { message: 'NOPERM this user has no permissions' },
    });
  });
});

describe('A warmer that is told to stop', () => {
  it('has failed when its turn was lost, also when it then ends in peace', async () => {
    const turns = new FakeTurns();
    const { task, begun, finish, signals } = heldTask();
    const run = new WarmRunner(turns, 2).run(warmer('events', task, 60_000), 'due');
    await begun;
    expect(signals[0]!.aborted).toBe(false);

    turns.lose();
    expect(signals[0]!.aborted).toBe(true);
    finish(5);

    expect(await run).toMatchObject({
      outcome: 'failed',
      error: { code: 'CACHE_WARMING_ABORTED', warmer: 'events', reason: 'lost-turn' },
    });
    expect(turns.ended).toEqual([0]);
  });

  it('frees its slot after two seconds, whatever it does', async () => {
    jest.useFakeTimers();
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 1);
    const stubborn = heldTask();
    const settled: string[] = [];
    const first = runner.run(warmer('stubborn', stubborn.task), 'asked').finally(() => settled.push('stubborn'));
    const second = runner.run(
      warmer('next', () => 1),
      'asked',
    );
    await stubborn.begun;

    turns.lose();
    await jest.advanceTimersByTimeAsync(1_990);
    expect(settled).toEqual([]);
    await jest.advanceTimersByTimeAsync(20);

    expect(await first).toMatchObject({ outcome: 'failed', error: { reason: 'lost-turn' } });
    expect(await second).toMatchObject({ outcome: 'done' });
  });

  it('is waited for by a shutdown, no longer than it takes, and nothing else is started', async () => {
    jest.useFakeTimers();
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 1);
    const held = heldTask();
    const next = jest.fn<WarmTask>();
    const running = runner.run(warmer('events', held.task), 'asked');
    const waiting = runner.run(warmer('venues', next), 'asked');
    await held.begun;

    let closed = false;
    const closing = runner.close().then(() => (closed = true));
    await jest.advanceTimersByTimeAsync(100);
    expect(held.signals[0]!.reason).toMatchObject({ code: 'CACHE_WARMING_ABORTED', reason: 'shutdown' });
    expect(closed).toBe(false);
    held.finish();
    await closing;

    expect(await running).toMatchObject({ outcome: 'failed', error: { reason: 'shutdown' } });
    expect(await waiting).toMatchObject({ outcome: 'skipped', reason: 'shutting-down' });
    expect(await runner.run(warmer('flags', next), 'asked')).toMatchObject({ reason: 'shutting-down' });
    expect(next).not.toHaveBeenCalled();
    expect(turns.ended).toEqual([0]);
  });

  it('delays a shutdown by two seconds at most, also while it waits for its turn', async () => {
    jest.useFakeTimers();
    const turns = new FakeTurns();
    turns.take = () => new Promise(() => undefined);
    const runner = new WarmRunner(turns, 1);
    void runner.run(
      warmer('events', () => 1),
      'asked',
    );

    let closed = false;
    void runner.close().then(() => (closed = true));
    await jest.advanceTimersByTimeAsync(1_990);
    expect(closed).toBe(false);
    await jest.advanceTimersByTimeAsync(20);

    expect(closed).toBe(true);
  });

  it('delays a shutdown by two seconds at most, and gives its turn back all the same', async () => {
    jest.useFakeTimers();
    const turns = new FakeTurns();
    const runner = new WarmRunner(turns, 1);
    const stubborn = heldTask();
    void runner.run(warmer('stubborn', stubborn.task), 'asked');
    await stubborn.begun;

    let closed = false;
    void runner.close().then(() => (closed = true));
    await jest.advanceTimersByTimeAsync(1_990);
    expect(closed).toBe(false);
    await jest.advanceTimersByTimeAsync(20);

    expect(closed).toBe(true);
    expect(turns.ended).toEqual([0]);
  });

  it('does not begin when the shutdown came while it asked for its turn', async () => {
    const turns = new FakeTurns();
    let grant!: (reply: WarmTurnReply) => void;
    turns.take = () => new Promise((resolve) => (grant = resolve));
    const runner = new WarmRunner(turns, 1);
    const task = jest.fn<WarmTask>();
    const run = runner.run(warmer('events', task), 'asked');

    const closing = runner.close();
    grant(turns.granted());
    await closing;

    expect(await run).toMatchObject({ outcome: 'skipped', reason: 'shutting-down' });
    expect(task).not.toHaveBeenCalled();
    expect(turns.ended).toEqual([0]);
  });
});
