import { Redis, ReplyError, type RedisOptions } from 'ioredis';

/** Where to dial, and with what. */
export type ControlTarget = Pick<RedisOptions, 'host' | 'port' | 'password' | 'tls'>;

/** A plain connection for the harness itself: it dials when needed, never retries, and gives up after 5 s. */
export class ControlConnection {
  readonly #options: ControlTarget;
  #client: Redis | undefined;
  #lastError: Error | undefined;

  constructor(options: ControlTarget) {
    this.#options = options;
  }

  /** @throws the error reply of Redis as it is, or that there was no answer. */
  async call(args: readonly (string | number | Buffer)[]): Promise<unknown> {
    const [command, ...rest] = args;
    try {
      return await this.#dialled().call(String(command), ...rest);
    } catch (error) {
      if (error instanceof ReplyError) throw error;
      const reason = this.#lastError ?? error;
      const what = reason instanceof Error ? reason.message : String(reason);
      throw new Error(`${String(command)} got no answer from 127.0.0.1:${this.#options.port}: ${what}`, {
        cause: error,
      });
    }
  }

  /** Drops the connection; the next call dials again. */
  close(): void {
    if (this.#client?.status !== 'end') this.#client?.disconnect();
    this.#client = undefined;
  }

  #dialled(): Redis {
    if (this.#client !== undefined && this.#client.status !== 'end') return this.#client;
    this.#lastError = undefined;
    const client = new Redis({
      ...this.#options,
      lazyConnect: true,
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      commandTimeout: 5_000,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
    });
    // ioredis rejects calls with "Connection is closed."; the reason comes only here.
    client.on('error', (error: Error) => {
      this.#lastError = error;
    });
    // A spec that forgets stop() must not keep Jest alive. A call in flight still does, by its timeout.
    client.on('connect', () => client.stream.unref());
    this.#client = client;
    return client;
  }
}
