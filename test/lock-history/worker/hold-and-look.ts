import { setTimeout as sleep } from 'node:timers/promises';
import type { LockService } from '@nuthatch/lock';
import { machineTime } from '../history/events.js';
import type { Recorder } from '../history/recorder.js';
import { codeOf, isHeld } from './contender.js';

const LOOK_EVERY_MS = 5;
const WAIT_MS = 2_000;

/** How a hold went that was looked at all the while; in machine time. */
export interface Look {
  readonly refusedFor?: string;
  readonly grantedAt?: number;
  readonly abortedAt?: number;
  /** When assertHeld() passed last. */
  readonly heldAt?: number;
}

/** Holds a lock, and does not give it back before the time is over, whether or not it is lost. */
export async function holdAndLook(
  locks: LockService,
  recorder: Recorder,
  key: string,
  forMs: number,
  ttlMs: number,
): Promise<Look> {
  const attempt = -Math.round(machineTime());
  recorder.note({ what: 'asked', attempt, how: 'acquire', keys: [key], ttlMs, waitMs: WAIT_MS });
  try {
    const lock = await locks.acquire(key, { wait: `${WAIT_MS}ms` });
    const grantedAt = machineTime();
    recorder.note({ what: 'granted', attempt, token: String(lock.token), validForMs: lock.validForMs() });
    let [abortedAt, heldAt] = [0, 0];
    lock.signal.addEventListener('abort', () => {
      abortedAt ||= machineTime();
      recorder.note({ what: 'aborted', attempt, why: codeOf(lock.signal.reason) });
    });
    while (machineTime() < grantedAt + forMs) {
      const at = machineTime();
      if (isHeld(lock)) heldAt = at;
      await sleep(LOOK_EVERY_MS);
    }
    const lostAt = abortedAt;
    recorder.note({ what: 'left', attempt });
    await lock.release().catch(codeOf);
    return { grantedAt, heldAt, ...(lostAt > 0 && { abortedAt: lostAt }) };
  } catch (error) {
    recorder.note({ what: 'refused', attempt, why: codeOf(error) });
    return { refusedFor: codeOf(error) };
  }
}
