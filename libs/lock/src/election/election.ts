import type { Logger } from '@nestjs/common';
import { lockKey } from '../lock-key.js';
import { requestFor, type LockTarget } from '../lock-request.js';
import type { LockSource } from '../lock-source.js';
import type { Lock } from '../lock.js';
import { LockAbortedError, LockBusyError, LockCallError } from '../lock.errors.js';
import type { ResolvedAcquireOptions } from '../lock.options.js';
import { quote } from '../quote.js';
import { resolveElectionOptions, type ElectionOptions } from './election.options.js';
import { retryDelay, sleep } from './retry.js';

/** What a candidate does when it is elected, and when that is over. Errors of both are logged, and change nothing. */
export interface ElectionHandlers {
  /** Leads from now on. What it starts must end when `lock.signal` aborts; `lock.token` fences its writes. */
  onElected(lock: Lock): unknown;
  /**
   * Leads no longer; called as soon as the signal of the lock aborts, with its reason: a LockLostError, or a LockReleasedError
   * after {@link Election.resign} and {@link Election.close}. This instance is no candidate again before it has settled.
   */
  onLost?(reason: unknown): unknown;
}

/**
 * A candidate for the leadership of a name, of which there is one at a time over all processes: never do two lead whose signals
 * have not aborted. It campaigns until it is closed: waits in line, leads, and lines up again when it leads no longer,
 * whatever happens to Redis.
 *
 * @example
 * ```ts
 * const election = locks.elect('reports', {
 *   onElected: (lock) => reports.start({ signal: lock.signal }),
 *   onLost: () => reports.stop(),
 * });
 * if (election.isLeader) await reports.sendNow({ fence: election.token });
 * ```
 */
export class Election {
  readonly #target: LockTarget;
  readonly #options: ResolvedAcquireOptions;
  readonly #closing = new AbortController();
  /** From its grant until its signal aborts. */
  #lock: Lock | undefined;
  /** So many attempts in a row have failed. */
  #failures = 0;
  /** The wait that is under way, settled when it has left the line. Never rejects. */
  #wait: Promise<unknown> = Promise.resolve();

  /**
   * @param name the same in all processes
   * @throws LockCallError for no name, no `onElected`, or wrong options
   */
  constructor(
    readonly name: string,
    private readonly handlers: ElectionHandlers,
    options: ElectionOptions | undefined,
    private readonly source: LockSource<Lock>,
    private readonly logger: Pick<Logger, 'error' | 'warn'>,
    onClosed: (election: Election) => void = () => undefined,
  ) {
    if (typeof handlers?.onElected !== 'function')
      throw new LockCallError(
        'An election has no onElected(). Give { onElected(lock) { ... }, onLost(reason) { ... } }.',
      );
    this.#target = {
      kind: 'election',
      label: name,
      key: lockKey(`${source.root}election:`, name),
      permits: 1,
      weight: 1,
    };
    this.#options = { ...resolveElectionOptions(options, source.options), signal: this.#closing.signal };
    this.#closing.signal.addEventListener('abort', () => onClosed(this), { once: true });
    void this.#campaign();
  }

  /** Whether it leads now, by the clocks of this machine: right also after the process stood still, before any timer has run. */
  get isLeader(): boolean {
    return this.#lock !== undefined && this.#lock.validForMs() > 0;
  }

  /** The fencing token while it leads: greater than that of every earlier leader. */
  get token(): bigint | undefined {
    return this.isLeader ? this.#lock!.token : undefined;
  }

  /** Stops to lead, and lines up again behind all others. Does nothing unless it leads. Never rejects. */
  async resign(): Promise<void> {
    // When Redis cannot be told, the next leader is elected when the lock ends with its validity.
    await this.#lock?.[Symbol.asyncDispose]();
  }

  /** Stops to lead, and leaves the line for good. Resolves when Redis has been told, and does not wait for the handlers. Never rejects. */
  async close(): Promise<void> {
    this.#closing.abort(new Error(`Election ${quote(this.name)} was closed.`));
    await Promise.all([this.#wait, this.resign()]);
  }

  async #campaign(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const wait = this.#lineUp();
      this.#wait = wait;
      await wait;
      if (this.#lock) await this.#lead(this.#lock);
      else await sleep(retryDelay(this.#failures), this.#closing.signal);
    }
  }

  async #lineUp(): Promise<void> {
    try {
      const lock = await this.source.acquire(requestFor([this.#target], this.#options));
      if (this.#closing.signal.aborted) return await lock[Symbol.asyncDispose]();
      // In the same step as that look: whoever closes from now on releases it.
      if (!lock.signal.aborted) this.#lock = lock;
      this.#failures = 0;
    } catch (error) {
      // Aborted by another than this candidate: the application shuts down, and nobody is elected any more.
      if (error instanceof LockAbortedError) this.#closing.abort(error);
      else if (error instanceof LockBusyError) this.#failures = 0;
      else if (++this.#failures === 1) this.#warn(error);
    }
  }

  /** Resolves when it leads no longer, and has told so. */
  async #lead(lock: Lock): Promise<void> {
    const { signal } = lock;
    // Given up before anybody was told.
    if (signal.aborted || this.#closing.signal.aborted) return void (this.#lock = undefined);
    const over = new Promise<void>((resolve) => {
      const stop = (): void => {
        this.#lock = undefined;
        resolve(this.#tell('onLost', () => this.handlers.onLost?.(signal.reason)));
      };
      signal.addEventListener('abort', stop, { once: true });
    });
    void this.#tell('onElected', () => this.handlers.onElected(lock));
    await over;
  }

  async #tell(handler: keyof ElectionHandlers, call: () => unknown): Promise<void> {
    try {
      await call();
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.logger.error(`${handler}() of election ${quote(this.name)} failed: ${reason}`);
    }
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.warn(`Election ${quote(this.name)} cannot line up, and keeps trying: ${reason}`);
  }
}
