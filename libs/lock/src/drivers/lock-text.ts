import { type Busy, type Claim, type LockState } from './lock-driver.js';
import type { ReleaseOutcome } from '../lock.js';

/** Begins the id of what is kept after its release. */
const NOBODY = '-:';

/** How the scripts say how a hold ended. */
const ENDINGS: Readonly<Record<string, ReleaseOutcome>> = { r: 'released', e: 'expired', s: 'stolen', f: 'forced' };

export function endingOf(letter: string): ReleaseOutcome {
  return ENDINGS[letter] ?? 'expired';
}

/** A claim as the scripts read it, and as it stands in the queue of a lock. */
export function claimText({ id, weight, permits, ttlMs, delayMs }: Claim): string {
  return `${id} ${weight} ${permits} ${ttlMs * 1_000} ${delayMs * 1_000}`;
}

/** What a script says to who was not granted: place, holder, its token, and how long it may hold. */
export function readBusy([position, id, token, remainingUs]: readonly (number | string)[]): Busy {
  // Of what is kept after its release nobody is the holder.
  if (typeof id !== 'string' || id.startsWith(NOBODY)) return { state: 'busy', position: Number(position) };
  const holder = { id, token: BigInt(token!) };
  return { state: 'busy', position: Number(position), holder, remainingMs: Math.max(0, Number(remainingUs) / 1_000) };
}

const STATE = /^\d+ \d+ \S+ [^\s;]+(?:;\S+ \d+ \d+ \d+ \d+ \d+)*$/;

/** A lock as it is in the store, see begin.lua; undefined for what is none. */
export function readLockState(
  key: string,
  [state = '', beats = '', ...waiters]: readonly string[],
  nowUs: number,
): LockState | undefined {
  if (!STATE.test(state)) return undefined;
  const alive = new Set<string>();
  for (const [, process, till] of beats.matchAll(/;([^=;]+)=(\d+)/g)) if (Number(till) >= nowUs) alive.add(process!);
  const [, ...holders] = state.split(';');
  const read = holders.map((text) => {
    const [id = '', token = '0', weight, since, lease] = text.split(' ');
    const remainingMs = (Number(since) + Number(lease) - nowUs) / 1_000;
    return { id, weight: Number(weight), token: BigInt(token), remainingMs };
  });
  return {
    key,
    holders: read.filter(({ id, remainingMs }) => !id.startsWith(NOBODY) && remainingMs >= 0),
    waiters: waiters
      .map((text) => text.slice(0, text.indexOf(' ')))
      .filter((id) => alive.has(id.slice(0, id.lastIndexOf(':')))),
  };
}
