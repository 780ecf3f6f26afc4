import type { ChangeLog } from './change-log.js';

interface Batch {
  readonly keys: Set<string>;
  readonly sent: Promise<void>;
}

/** Appends to the log of changes, in one call all that is announced in one tick. */
export class Announcer {
  #batch: Batch | undefined;

  constructor(private readonly log: Pick<ChangeLog, 'append'>) {}

  /** @throws RedisUnreachableError, RedisTimeoutError */
  announce(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return Promise.resolve();
    this.#batch ??= this.#open();
    for (const key of keys) this.#batch.keys.add(key);
    return this.#batch.sent;
  }

  #open(): Batch {
    const keys = new Set<string>();
    const sent = new Promise<void>((resolve, reject) => {
      process.nextTick(() => {
        this.#batch = undefined;
        this.log.append([...keys]).then(resolve, reject);
      });
    });
    return { keys, sent };
  }
}
