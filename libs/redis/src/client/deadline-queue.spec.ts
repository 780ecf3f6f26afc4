import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { DeadlineQueue } from './deadline-queue.js';
import type { GuardedCommand } from './guarded-command.js';

interface FakeCommand extends GuardedCommand {
  succeed(): void;
  fail(): void;
}

// Commands expire in the turn after their timer, and Jest gives a turn 1ms.
const TURN = 1;

let successes: number;
let expired: { name: string; blameless: boolean; at: number }[];
let queue: DeadlineQueue;

beforeEach(() => {
  jest.useFakeTimers();
  successes = 0;
  expired = [];
  queue = new DeadlineQueue(
    100,
    () => successes++,
    (command, blameless) => {
      expired.push({ name: command.name, blameless, at: Math.round(performance.now()) });
      command.reject(new Error('late'));
    },
  );
});

afterEach(() => {
  queue.stop();
  jest.useRealTimers();
});

function fakeCommand(name: string, pipelineIndex?: number): FakeCommand {
  const command = {
    name,
    args: [],
    isResolved: false,
    isSettled: false,
    promise: Promise.resolve(),
    inTransaction: false,
    ...(pipelineIndex === undefined ? {} : { pipelineIndex }),
    reject: () => (command.isSettled = true),
    extractBlockingTimeout: () => undefined,
    succeed: () => (command.isResolved = command.isSettled = true),
    fail: () => (command.isSettled = true),
  };
  return command;
}

function add(name: string, pipelineIndex?: number): FakeCommand {
  const command = fakeCommand(name, pipelineIndex);
  queue.add(command);
  return command;
}

const names = (): string[] => expired.map(({ name }) => name);

describe('Commands with a deadline', () => {
  it('expire each at its own deadline, in their order', () => {
    const start = Math.round(performance.now());
    add('first');
    jest.advanceTimersByTime(30);
    add('second');

    jest.advanceTimersByTime(70);
    expect(expired).toEqual([]);
    jest.advanceTimersByTime(100);

    expect(expired.map(({ name, at }) => [name, at - start])).toEqual([
      ['first', 100 + TURN],
      ['second', 130 + TURN],
    ]);
  });

  it('expire also when they were added after a pause', () => {
    add('first').succeed();
    jest.advanceTimersByTime(1_000);

    add('second');
    jest.advanceTimersByTime(100);
    expect(names()).toEqual([]);
    jest.advanceTimersByTime(TURN);

    expect(names()).toEqual(['second']);
  });

  it('do not expire when they have settled in time', () => {
    const [resolved, rejected] = [add('resolved'), add('rejected')];
    jest.advanceTimersByTime(50);
    resolved.succeed();
    rejected.fail();

    jest.advanceTimersByTime(1_000);

    expect(expired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('do not expire when their reply is read in the turn of their deadline', () => {
    const command = add('just in time');

    jest.advanceTimersByTime(100);
    command.succeed();
    jest.advanceTimersByTime(TURN);

    expect(expired).toEqual([]);
    expect(successes).toBe(1);
  });

  it('share a single timer, however many they are', () => {
    for (let count = 0; count < 1_000; count++) add(`command ${count}`);

    expect(jest.getTimerCount()).toBe(1);
  });

  it('count as a success as soon as it is seen that one has succeeded', () => {
    add('succeeded').succeed();
    add('next');

    expect(successes).toBe(1);
  });

  it('count as a success at the deadline at the latest', () => {
    add('succeeded').succeed();

    jest.advanceTimersByTime(100 + TURN);

    expect(successes).toBe(1);
  });

  it('are no success when all of them have failed', () => {
    add('failed').fail();
    add('late');

    jest.advanceTimersByTime(1_000);

    expect(names()).toEqual(['late']);
    expect(successes).toBe(0);
  });

  it('are not blamed on Redis when a later one has succeeded', () => {
    add('hung');
    add('answered').succeed();
    jest.advanceTimersByTime(100 + TURN);
    add('dead');
    jest.advanceTimersByTime(100 + TURN);

    expect(expired.map(({ name, blameless }) => [name, blameless])).toEqual([
      ['hung', true],
      ['dead', false],
    ]);
  });

  it('are not blamed on Redis when the process itself stood still', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    add('unread');

    // One long step between the timer and the next turn.
    jest.advanceTimersByTime(100 + 500);
    await new Promise((resolve) => setImmediate(resolve));

    expect(expired).toMatchObject([{ name: 'unread', blameless: true }]);
  });

  it('of one pipeline expire together with the first of them', () => {
    for (let index = 0; index < 3; index++) {
      add(`pipelined ${index}`, index);
      jest.advanceTimersByTime(10);
    }
    add('alone');
    add('another pipeline', 0);

    jest.advanceTimersByTime(70 + TURN);

    expect(names()).toEqual(['pipelined 0', 'pipelined 1', 'pipelined 2']);

    jest.advanceTimersByTime(30);

    expect(names().slice(3)).toEqual(['alone', 'another pipeline']);
  });

  it('of a pipeline that begins right after another one keep their own deadline', () => {
    add('one 0', 0);
    add('one 1', 1);
    jest.advanceTimersByTime(10);
    add('two 0', 0);
    add('two 1', 1);

    jest.advanceTimersByTime(90 + TURN);

    expect(names()).toEqual(['one 0', 'one 1']);
  });

  it('can be listed while they are under way', () => {
    const first = add('first');
    add('second');
    add('third').fail();
    first.succeed();

    expect(queue.pending().map(({ name }) => name)).toEqual(['second']);
  });

  it.each([
    ['before their deadline', 50],
    ['in the turn of their deadline', 100],
  ])('do not expire any more once the queue is stopped %s', (_, ms) => {
    add('first');

    jest.advanceTimersByTime(ms);
    queue.stop();
    jest.advanceTimersByTime(1_000);

    expect(expired).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('Settled commands', () => {
  it('are dropped as new ones come, so that the memory is bounded by what is under way', () => {
    let most = 0;
    const underWay: FakeCommand[] = [];
    for (let count = 0; count < 50_000; count++) {
      underWay.push(add(`command ${count}`));
      if (underWay.length > 10) underWay.shift()!.succeed();
      most = Math.max(most, queue.size);
    }

    expect(most).toBeLessThanOrEqual(12);
    expect(queue.pending()).toHaveLength(10);
  });

  it('behind one that hangs are dropped at the latest when that one expires', () => {
    add('hung');
    for (let count = 0; count < 5_000; count++) add('quick').succeed();
    expect(queue.size).toBe(5_001);

    jest.advanceTimersByTime(100 + TURN);

    expect(names()).toEqual(['hung']);
    expect(queue.size).toBe(0);
  });

  it('are dropped when the deadline comes, also when nothing follows', () => {
    for (let count = 0; count < 100; count++) add('quick').succeed();

    jest.advanceTimersByTime(100 + TURN);

    expect(queue.size).toBe(0);
  });
});
