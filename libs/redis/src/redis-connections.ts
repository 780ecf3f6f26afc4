import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { EmbeddedConnection } from './connections/embedded-connection.js';
import { ServerConnection } from './connections/server-connection.js';
import type { RedisConnection } from './redis-connection.js';
import { UnknownConnectionError } from './redis.errors.js';
import type { ResolvedRedisOptions } from './redis.options.js';

/** The connections of an application by name. Inject it to reach one whatever its mode is. */
export class RedisConnections implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  /** Prefixes every key and channel of the suite. */
  readonly namespace: string;
  readonly #connections: ReadonlyMap<string, EmbeddedConnection | ServerConnection>;

  constructor(options: ResolvedRedisOptions) {
    this.namespace = options.namespace;
    const logger = new Logger('Redis');
    this.#connections = new Map(
      [...options.connections].map(([name, resolved]) => [
        name,
        resolved.mode === 'embedded'
          ? new EmbeddedConnection(name)
          : new ServerConnection(name, options.namespace, resolved, logger),
      ]),
    );
  }

  /** @throws UnknownConnectionError that lists the names there are. */
  get(name = 'default'): RedisConnection {
    const connection = this.#connections.get(name);
    if (!connection) throw new UnknownConnectionError(name, this.names());
    return connection;
  }

  names(): string[] {
    return [...this.#connections.keys()];
  }

  /** @internal Starts to connect. The boot does not wait: an application whose Redis is away starts all the same. */
  onModuleInit(): void {
    for (const connection of this.#connections.values()) connection.start();
  }

  /** @internal */
  onApplicationBootstrap(): void {
    for (const connection of this.#connections.values()) connection.hold();
  }

  /** @internal The last phase of a shutdown: whoever uses a connection has drained in an earlier one. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
  }
}
