import { LockBusyError, type AcquireOptions, type Lock, type LockService } from '@nuthatch/lock';

// The locks of real applications, to be copied. A lock is renewed for as long as it is held: `ttl` is how soon others get it
// after the process that holds it has died.

export interface LockPreset {
  readonly options: AcquireOptions;
  /** How often it is asked for, each time for as long as `wait`. */
  readonly tries: number;
}

export const LOCKS = {
  /** A few queries. Whoever waits for it looks at a page meanwhile. */
  quick: { options: { ttl: '5s', wait: '1s' }, tries: 1 },

  /** What nobody looks at: jobs, and work that takes some seconds. */
  standard: { options: { ttl: '30s', wait: '10s' }, tries: 1 },

  /** A provider is asked meanwhile. The second try begins at the end of the queue, and tells a stuck payment from a slow one. */
  payment: { options: { ttl: '60s', wait: '5s' }, tries: 2 },
} as const satisfies Record<string, LockPreset>;

/** Waits for a lock as the preset says. @throws what `LockService.acquire()` throws, LockBusyError after the last try */
export async function acquire(locks: LockService, key: string, { options, tries }: LockPreset): Promise<Lock> {
  for (let tried = 1; ; tried++) {
    try {
      return await locks.acquire(key, options);
    } catch (error) {
      if (!(error instanceof LockBusyError) || tried >= tries) throw error;
    }
  }
}
