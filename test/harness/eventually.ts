// The clock comes from the core modules: a spec that fakes the global timers must not freeze its servers.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const pollEveryMs = 20;

/**
 * Polls `probe` until it answers something other than `undefined` or `false`, and returns that.
 * A probe may throw a reason for not being there yet: the last one becomes the `cause` and ends the message.
 *
 * @param what - a sentence that holds once the wait is over: `Sentinel agrees on the new master`
 * @param timeoutMs - milliseconds. `@default 20000`
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let reason: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      reason = error;
    }
    if (performance.now() > deadline) break;
    await sleep(pollEveryMs);
  }
  const seen = reason instanceof Error ? `: ${reason.message}` : '';
  throw new Error(`Gave up after ${timeoutMs / 1000}s waiting until "${what}"${seen}`, { cause: reason });
}
