import type { ServerConnection } from '@nuthatch/redis/internal';
import { uniqueKey } from './open-connection.js';

export interface LoadReport {
  readonly calls: number;
  readonly errors: Error[];
  /** The longest that a call took to settle. */
  readonly slowestMs: number;
  /** When the first and the last call failed, and when the first one succeeded after the last failure; `performance.now()`. */
  readonly lastFailureAt: number;
  readonly firstSuccessAfter: number;
}

/** Sends `perSecond` calls a second, reads and writes in turn, without waiting for any of them, until `stop`. */
export function steadyLoad(connection: ServerConnection, perSecond: number): { stop(): Promise<LoadReport> } {
  const keys = Array.from({ length: 300 }, (_, index) => uniqueKey(`load-${index}`));
  const errors: Error[] = [];
  const settled: Promise<void>[] = [];
  const successes: number[] = [];
  let calls = 0;
  let slowestMs = 0;
  let lastFailureAt = 0;

  const call = async (): Promise<void> => {
    const startedAt = performance.now();
    const key = keys[calls % keys.length]!;
    try {
      await (calls++ % 2 ? connection.client.get(key) : connection.client.mget(key));
      successes.push(performance.now());
    } catch (error) {
      errors.push(error as Error);
      lastFailureAt = performance.now();
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  };

  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000);
    while (calls < due) settled.push(call());
  }, 5);

  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(settled);
      const firstSuccessAfter = successes.find((at) => at > lastFailureAt) ?? Infinity;
      return { calls, errors, slowestMs, lastFailureAt, firstSuccessAfter };
    },
  };
}
