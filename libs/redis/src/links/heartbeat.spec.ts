import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Heartbeat } from './heartbeat.js';

let heartbeat: Heartbeat;
let changes: boolean[];
let questions: { answer: () => void; refuse: () => void }[];

beforeEach(() => {
  jest.useFakeTimers();
  changes = [];
  questions = [];
  heartbeat = new Heartbeat(
    () => new Promise((resolve, reject) => questions.push({ answer: () => resolve('PONG'), refuse: () => reject('') })),
    () => changes.push(heartbeat.alive),
  );
});
afterEach(() => {
  heartbeat.stop();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
const answer = (): Promise<void> => {
  questions.at(-1)!.answer();
  return pass(0);
};
const comeAlive = (): Promise<void> => {
  void heartbeat.beat();
  return answer();
};
/** The longest time that it stays alive after the line has fallen silent. */
async function silenceUntilDead(): Promise<number> {
  const startedAt = performance.now();
  while (heartbeat.alive) await pass(10);
  return performance.now() - startedAt;
}

describe('A heartbeat', () => {
  it('is dead until a question has been answered', async () => {
    expect(heartbeat.alive).toBe(false);
    await pass(5_000);
    expect(heartbeat.alive).toBe(false);

    await answer();
    await pass(400);
    await answer();

    expect(heartbeat.alive).toBe(true);
    expect(changes).toEqual([true]);
  });

  it('stays alive while every question is answered', async () => {
    await comeAlive();
    for (let beat = 0; beat < 20; beat++) {
      await pass(400);
      await answer();
    }

    expect(questions).toHaveLength(21);
    expect(changes).toEqual([true]);
  });

  it.each([0, 100, 399])('finds a line that falls silent %ims after an answer dead within two seconds', async (ms) => {
    await comeAlive();
    await pass(ms);

    expect(ms + (await silenceUntilDead())).toBeLessThanOrEqual(2_000);
    expect(changes).toEqual([true, false]);
  });

  it('counts from the question, not from the answer: what was reported before it may have been on its way for as long', async () => {
    await comeAlive();
    await pass(400);
    await pass(1_200);
    expect(heartbeat.alive).toBe(false);

    await answer();
    expect(heartbeat.alive).toBe(true);
    await pass(400);

    expect(heartbeat.alive).toBe(false);
  });

  it('does not believe an answer that took too long, and asks again', async () => {
    void heartbeat.beat();
    await pass(3_000);
    expect(questions).toHaveLength(1);

    await answer();
    expect(heartbeat.alive).toBe(false);
    await pass(400);
    expect(questions).toHaveLength(2);
    await answer();

    expect(heartbeat.alive).toBe(true);
  });

  it('goes on asking after a question that failed', async () => {
    void heartbeat.beat();
    questions[0]!.refuse();
    await pass(400);
    await answer();

    expect(heartbeat.alive).toBe(true);
  });

  it('is dead at once when the line is lost, and alive again after the next answer', async () => {
    await comeAlive();
    heartbeat.lose();
    expect(heartbeat.alive).toBe(false);

    await comeAlive();

    expect(changes).toEqual([true, false, true]);
  });

  it.each(['monotonic', 'wall'] as const)(
    'is found dead at the first beat after the process stood still by the %s clock',
    async (clock) => {
      await comeAlive();
      if (clock === 'wall') jest.setSystemTime(Date.now() + 60_000);
      else jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);

      jest.advanceTimersToNextTimer();

      expect(changes).toEqual([true, false]);
      expect(questions).toHaveLength(2);
      await answer();
      expect(heartbeat.alive).toBe(true);
    },
  );

  it('neither asks nor tells anything after it was stopped', async () => {
    await comeAlive();
    await pass(400);
    heartbeat.stop();
    await answer();
    await pass(5_000);
    await heartbeat.beat();

    expect(heartbeat.alive).toBe(false);
    expect(changes).toEqual([true]);
    expect(questions).toHaveLength(2);
  });
});
