import { RedisUnreachableError } from '@nuthatch/redis';
import type { CacheDriver, Refuse, Take } from '../drivers/cache-driver.js';
import type { Journal } from '../outage/journal.js';

/** Redis, behind the journal: nothing is asked of it before it has been told what it has missed. */
export class SharedTier {
  /** @param waitMs how long a call waits for that, in milliseconds */
  constructor(
    private readonly driver: CacheDriver,
    private readonly journal: Journal,
    private readonly connection: string,
    private readonly waitMs: number,
  ) {}

  /** @throws what the driver does */
  run<R>(operation: (driver: CacheDriver) => Promise<R>): Promise<R> {
    return this.journal.pending ? this.#afterReplay(operation) : operation(this.driver);
  }

  /** What stands under one key; see the driver. */
  readOne<R>(key: string, withTags: boolean, take: Take<R>, refuse?: Refuse<R>): Promise<R> {
    if (!this.journal.pending) return this.driver.readOne(key, withTags, take, refuse);
    const read = this.#afterReplay((driver) => driver.readOne(key, withTags, take));
    return refuse ? read.catch(refuse) : read;
  }

  /** The time of the store. */
  now(): number {
    return this.driver.now();
  }

  async #afterReplay<R>(operation: (driver: CacheDriver) => Promise<R>): Promise<R> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const refuse = (): void =>
        reject(
          new RedisUnreachableError(this.connection, 'it is still being told what it has missed.', 'not-executed'),
        );
      timer = setTimeout(refuse, this.waitMs).unref();
    });
    late.catch(() => 'only of interest while somebody waits');
    try {
      while (this.journal.pending) await Promise.race([this.journal.replay(), late]);
    } finally {
      clearTimeout(timer);
    }
    return operation(this.driver);
  }
}
