import { EmbeddedConnectionError } from '../redis.errors.js';
import type { ConnectionState, RedisConnection, Topology } from '../redis-connection.js';

/** A connection without a server. Capabilities that see it use their driver inside the process. */
export class EmbeddedConnection implements RedisConnection {
  readonly mode = 'embedded';
  #state: ConnectionState = 'ready';
  readonly #kept = new Map<symbol, unknown>();

  constructor(readonly name: string) {}

  get state(): ConnectionState {
    return this.#state;
  }

  get client(): never {
    throw new EmbeddedConnectionError(this.name, 'ioredis client');
  }

  /** Nothing to ask, so always 0. */
  async ping(): Promise<number> {
    return 0;
  }

  async topology(): Promise<Topology> {
    return { mode: 'embedded', masters: [], replicas: [], sentinels: [] };
  }

  /** An embedded connection is never down, so nothing is ever called. */
  on(): () => void {
    return () => undefined;
  }

  /** @internal What all modules on this connection share, as they would share a server. */
  keep<T>(name: symbol, make: () => T): T {
    if (!this.#kept.has(name)) this.#kept.set(name, make());
    return this.#kept.get(name) as T;
  }

  start(): void {}

  hold(): void {}

  async close(): Promise<void> {
    this.#state = 'closed';
  }
}
