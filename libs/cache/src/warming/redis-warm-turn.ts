import type { RedisScript, ServerConnection } from '@nuthatch/redis/internal';
import type { WarmTurn } from './warm-turns.js';

export interface TurnScripts {
  readonly renew: RedisScript;
  readonly end: RedisScript;
}

export interface LeaseTiming {
  /** For how long a crashed instance keeps the others out. */
  readonly leaseMs: number;
  readonly renewEveryMs: number;
}

/** A lease that is renewed until it is given back or lost. */
export class RedisWarmTurn implements WarmTurn {
  readonly #renewal: NodeJS.Timeout;
  #expiry: NodeJS.Timeout | undefined;
  #over = false;
  #onLost: () => void = () => undefined;

  /** @param sentAt when it was asked for: it never stands for longer here than in Redis */
  constructor(
    private readonly connection: ServerConnection,
    private readonly scripts: TurnScripts,
    private readonly key: string,
    private readonly lease: string,
    sentAt: number,
    private readonly timing: LeaseTiming,
  ) {
    this.#standsFrom(sentAt);
    this.#renewal = setInterval(() => void this.#renew(), timing.renewEveryMs).unref();
  }

  onLost(listener: () => void): void {
    this.#onLost = listener;
  }

  async end(freshForMs: number): Promise<void> {
    this.#stop();
    await this.connection
      .run(this.scripts.end, [this.key], [this.lease, freshForMs], { idempotent: true })
      .catch(() => 'a lease that could not be given back expires by itself');
  }

  async #renew(): Promise<void> {
    const { leaseMs, renewEveryMs } = this.timing;
    const sentAt = performance.now();
    const reply = await this.connection
      .run(this.scripts.renew, [this.key], [this.lease, leaseMs], { idempotent: true, timeoutMs: renewEveryMs })
      .catch(() => 'Redis is away, and the lease stands until it expires');
    if (this.#over) return;
    if (reply === 1) this.#standsFrom(sentAt);
    else if (reply === 0) this.#lose();
  }

  #standsFrom(since: number): void {
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#lose(), since + this.timing.leaseMs - performance.now()).unref();
  }

  #lose(): void {
    this.#stop();
    this.#onLost();
  }

  #stop(): void {
    this.#over = true;
    clearInterval(this.#renewal);
    clearTimeout(this.#expiry);
  }
}
