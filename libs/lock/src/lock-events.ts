import { channel, type Channel } from 'node:diagnostics_channel';
import type { NuthatchError } from '@nuthatch/redis';
import type { KeptLock } from './kept-lock.js';
import type { LockKind } from './lock-kind.js';
import type { LockLostError } from './lock.errors.js';
import type { ReleaseOutcome } from './lock.js';

/**
 * What is published on {@link LOCK_CHANNEL} of node:diagnostics_channel. Times are in milliseconds. Each hold is `'acquired'` once,
 * and then `'lost'` or `'released'` once; a call that was refused is one of the others. `root` begins the keys of the module in Redis.
 */
export type LockEvent = {
  readonly root: string;
  readonly kind: LockKind;
  /** As it was asked for; that of a job is `scheduled:<name>`. */
  readonly key: string;
} & (
  | {
      readonly type: 'acquired';
      /** How long it took to have it. */
      readonly waitMs: number;
      /** Whether it was not free, so that it had to be waited for in the line. */
      readonly waited: boolean;
    }
  | { readonly type: 'busy' | 'unreachable' | 'aborted'; readonly waitMs: number }
  | {
      readonly type: 'released';
      readonly heldMs: number;
      /** What became of it; `'unreachable'`: Redis could not be told, so it ends with its validity. */
      readonly outcome: ReleaseOutcome | 'unreachable';
    }
  | {
      readonly type: 'lost';
      readonly heldMs: number;
      /** That of the LockLostError. */
      readonly code: string;
    }
);

/** The name of the channel of node:diagnostics_channel on which each {@link LockEvent} is published. */
export const LOCK_CHANNEL = 'nuthatch:lock';

const REFUSALS: Readonly<Record<string, 'busy' | 'unreachable' | 'aborted'>> = {
  LOCK_BUSY: 'busy',
  LOCK_UNREACHABLE: 'unreachable',
  LOCK_ABORTED: 'aborted',
};

/** Tells of waits, holds and losses. */
export class LockEvents {
  readonly #channel: Channel = channel(LOCK_CHANNEL);

  /** @param root begins the keys of the locks of this module */
  constructor(private readonly root: string) {}

  acquired(lock: KeptLock, waitMs: number): void {
    lock.announced = true;
    if (!this.#channel.hasSubscribers) return;
    const { kind, key, waited } = lock;
    this.#tell({ type: 'acquired', root: this.root, kind, key, waitMs, waited });
  }

  refused(key: string, kind: LockKind, { code }: NuthatchError, waitMs: number): void {
    const type = REFUSALS[code];
    if (type && this.#channel.hasSubscribers) this.#tell({ type, root: this.root, kind, key, waitMs });
  }

  released(lock: KeptLock, outcome: ReleaseOutcome | 'unreachable'): void {
    if (!this.#isFirstEnd(lock)) return;
    const { kind, key } = lock;
    this.#tell({ type: 'released', root: this.root, kind, key, heldMs: heldMs(lock), outcome });
  }

  lost(lock: KeptLock, { code }: LockLostError): void {
    if (!this.#isFirstEnd(lock)) return;
    const { kind, key } = lock;
    this.#tell({ type: 'lost', root: this.root, kind, key, heldMs: heldMs(lock), code });
  }

  /** Of what nobody was told it was acquired, nobody is told how it ended. */
  #isFirstEnd(lock: KeptLock): boolean {
    const { announced } = lock;
    lock.announced = false;
    return announced && this.#channel.hasSubscribers;
  }

  #tell(event: LockEvent): void {
    this.#channel.publish(event);
  }
}

function heldMs({ heldSince }: KeptLock): number {
  return performance.now() - heldSince;
}
