import { channel, type Channel } from 'node:diagnostics_channel';
import type { NuthatchError } from '@nuthatch/redis';
import type { KeptLock } from './kept-lock.js';
import type { LockLostError } from './lock.errors.js';
import type { ReleaseOutcome } from './lock.js';

/** What is published on {@link LOCK_CHANNEL} of node:diagnostics_channel. Times are in milliseconds. */
export type LockEvent = { readonly root: string; readonly key: string } & (
  | { readonly type: 'acquired'; readonly waitMs: number }
  | { readonly type: 'busy' | 'unreachable' | 'aborted'; readonly waitMs: number }
  | { readonly type: 'released'; readonly heldMs: number; readonly outcome: ReleaseOutcome }
  | { readonly type: 'lost'; readonly heldMs: number; readonly code: string }
);

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

  acquired(key: string, waitMs: number): void {
    if (this.#channel.hasSubscribers) this.#tell({ type: 'acquired', root: this.root, key, waitMs });
  }

  refused(key: string, { code }: NuthatchError, waitMs: number): void {
    const type = REFUSALS[code];
    if (type && this.#channel.hasSubscribers) this.#tell({ type, root: this.root, key, waitMs });
  }

  released(lock: KeptLock, outcome: ReleaseOutcome): void {
    if (!this.#channel.hasSubscribers) return;
    this.#tell({ type: 'released', root: this.root, key: lock.key, heldMs: heldMs(lock), outcome });
  }

  lost(lock: KeptLock, { code }: LockLostError): void {
    if (this.#channel.hasSubscribers)
      this.#tell({ type: 'lost', root: this.root, key: lock.key, heldMs: heldMs(lock), code });
  }

  #tell(event: LockEvent): void {
    this.#channel.publish(event);
  }
}

function heldMs({ heldSince }: KeptLock): number {
  return performance.now() - heldSince;
}
