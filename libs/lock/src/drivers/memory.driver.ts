import { RedisTimeoutError } from '@nuthatch/redis';
import type { ReleaseOutcome } from '../lock.js';
import { thisMoment } from '../moment.js';
import type {
  Answer,
  Beat,
  Busy,
  Claim,
  Hold,
  LockDriver,
  LockListener,
  LockState,
  ReleaseOptions,
  Renewal,
  Renewed,
  Replicated,
} from './lock-driver.js';
import type { MemoryLockStore } from './memory-lock-store.js';

/** Locks in the memory of this process; the drivers that share a store are processes to each other. */
export class MemoryLockDriver implements LockDriver {
  readonly #offs = new Set<() => void>();

  /**
   * @param process that is told by {@link listen}: what its ids begin with
   * @param connection named by errors
   */
  constructor(
    private readonly store: MemoryLockStore,
    private readonly process: string,
    private readonly connection = 'default',
  ) {}

  async acquire(claims: readonly Claim[], queue: boolean, giveUpAt: number): Promise<Answer> {
    this.#refuseLate(giveUpAt);
    const since = thisMoment();
    const answer = this.store.acquire(claims, queue);
    return answer.state === 'busy' ? answer : { ...answer, since };
  }

  together(): boolean {
    return true;
  }

  async beat(waiting: readonly Claim[], giveUpAt: number): Promise<Beat> {
    this.#refuseLate(giveUpAt);
    const since = thisMoment();
    return { ...this.store.beat(waiting), since };
  }

  async leave(claim: Claim): Promise<Busy> {
    return this.store.leave(claim);
  }

  async renew(renewals: readonly Renewal[], giveUpAt: number): Promise<Renewed[]> {
    this.#refuseLate(giveUpAt);
    const since = thisMoment();
    return this.store.renew(renewals).map((each) => (each.state === 'renewed' ? { ...each, since } : each));
  }

  /** There is one copy, and it has it. */
  async replicate(renewal: Renewal, min: number): Promise<Replicated> {
    const [hold] = await this.renew([renewal], Number.POSITIVE_INFINITY);
    return { hold: hold!, replicas: min };
  }

  async release(holds: readonly Hold[], options?: ReleaseOptions): Promise<ReleaseOutcome> {
    return this.store.release(holds, options);
  }

  async force(key: string): Promise<number> {
    return this.store.force(key);
  }

  async *list(prefix: string): AsyncGenerator<LockState> {
    for (const key of this.store.keys(prefix)) {
      const state = this.store.state(key);
      if (state) yield state;
    }
  }

  listen(listener: LockListener): () => void {
    const stop = this.store.listen(this.process, listener);
    const off = (): void => {
      this.#offs.delete(off);
      stop();
    };
    this.#offs.add(off);
    return off;
  }

  close(): void {
    for (const off of this.#offs) off();
  }

  #refuseLate(giveUpAt: number): void {
    if (performance.now() >= giveUpAt) throw new RedisTimeoutError(this.connection, 'lock', 0, 'not-executed');
  }
}
