import { Logger } from '@nestjs/common';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { LockListener } from './lock-driver.js';

const RETRY_MS = 500;
const REFUSED_RETRY_MS = 30_000;

/** What other processes and operators tell this one: which of its claims were granted, and which of its holds were taken away. */
export class ProcessChannel {
  readonly #listeners = new Set<LockListener>();
  readonly #ends: (() => void)[] = [];
  readonly #logger = new Logger('Lock');
  private readonly name: string;
  #joining = false;
  #warned = false;
  #closed = false;

  constructor(
    private readonly connection: ServerConnection,
    /** Begins the names of the channels of all processes. */
    private readonly root: string,
    process: string,
  ) {
    this.name = `${root}${process}`;
  }

  /** Subscribes with the first listener. */
  listen(listener: LockListener): () => void {
    this.#listeners.add(listener);
    if (!this.#joining) {
      this.#joining = true;
      const gap = (): void => this.#each((each) => each.gap());
      const moved = (): void => this.#each((each) => each.moved());
      this.#ends.push(
        this.connection.subscriber.on('resumed', gap),
        this.connection.on('up', moved),
        this.connection.on('failover', moved),
      );
      void this.#join();
    }
    return () => this.#listeners.delete(listener);
  }

  granted(id: string, token: bigint, key: string): void {
    this.#each((listener) => listener.granted(id, token, key));
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#ends.splice(0)) end();
    this.#listeners.clear();
  }

  async #join(): Promise<void> {
    while (!this.#closed) {
      try {
        const leave = await this.connection.subscriber.subscribe(this.name, (message) =>
          this.#read(message.toString()),
        );
        const end = (): void => void leave().catch(() => 'the link is gone, and the subscription with it');
        if (this.#closed) return end();
        this.#ends.push(end);
        // What was said before the subscription stood was said to nobody.
        return this.#each((listener) => listener.gap());
      } catch (error) {
        // Meanwhile the beats find out what was granted.
        const isRefused = error instanceof Error && error.message.startsWith('NOPERM');
        if (isRefused) this.#warnOnce(error.message);
        const retryMs = isRefused ? REFUSED_RETRY_MS : RETRY_MS;
        await new Promise((resolve) => setTimeout(resolve, retryMs).unref());
      }
    }
  }

  #warnOnce(reason: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn(
      `Redis connection "${this.connection.name}" does not let this process be told of its locks: ${reason}. Hand-offs take up to a ` +
        `second, and locks that are taken away are noticed by their renewal. Allow its user the channels "${this.root}*".`,
    );
  }

  #read(message: string): void {
    const [kind, id, token, key] = message.split(' ');
    if (kind === 'granted' && id && key && /^\d+$/.test(token!)) this.granted(id, BigInt(token!), key);
    else if (kind === 'forced' && id) this.#each((listener) => listener.forced(id));
  }

  #each(tell: (listener: LockListener) => void): void {
    for (const listener of this.#listeners) tell(listener);
  }
}
