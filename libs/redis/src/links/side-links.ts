import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import type { ResolvedServerConnection } from '../redis.options.js';
import { CommandGuard } from '../client/command-guard.js';
import { GuardedRedis } from '../client/guarded-redis.js';
import { nodeOptions, singleOptions, type ClientContext } from '../client/ioredis-options.js';
import { createClient } from '../connections/create-client.js';
import { InvalidationTracker } from './invalidation-tracker.js';
import { Subscriber } from './subscriber.js';

// A silent half-open link is found within WATCH_EVERY_MS + LINK_SILENCE_MS * 9/8: under six seconds.
const LINK_SILENCE_MS = 2_000;

/** The clients of a connection beside the one for commands, each made when it is first needed. */
export class SideLinks {
  readonly #options: ResolvedServerConnection;
  #subscriber: Subscriber | undefined;
  #blocking: Redis | Cluster | undefined;
  readonly #trackers = new Set<InvalidationTracker>();
  readonly #guards: CommandGuard[] = [];

  constructor(
    private readonly connection: string,
    options: ResolvedServerConnection,
    private readonly context: ClientContext,
    private readonly client: Redis | Cluster,
  ) {
    this.#options = options;
  }

  get subscriber(): Subscriber {
    this.#subscriber ??= new Subscriber(this.#link('subscriber', () => this.#anyNode()));
    return this.#subscriber;
  }

  get blocking(): Redis | Cluster {
    if (!this.#blocking) {
      const context = { ...this.context, connectionName: `${this.context.connectionName}:blocking` };
      this.#blocking = createClient(
        { ...this.#options, silenceMs: Infinity },
        context,
        this.#guard({ blocking: true }),
      );
      this.#watch(this.#blocking);
    }
    return this.#blocking;
  }

  track(prefixes: readonly string[]): InvalidationTracker {
    const tracker = new InvalidationTracker(this.client, prefixes, (address) =>
      // RESP2: ioredis 6 drops the invalidation messages of RESP3.
      this.#link('tracker', () => address, { protocol: 2 }),
    );
    this.#trackers.add(tracker);
    return tracker;
  }

  close(): void {
    this.#subscriber?.close();
    this.#blocking?.disconnect();
    for (const tracker of this.#trackers) tracker.close();
    for (const guard of this.#guards) guard.close();
  }

  #link(
    role: string,
    address: () => { host: string; port: number } | undefined,
    extra: RedisOptions = {},
  ): GuardedRedis {
    const context = { ...this.context, connectionName: `${this.context.connectionName}:${role}` };
    const own =
      this.#options.mode === 'cluster'
        ? nodeOptions(this.#options, context, address)
        : singleOptions(this.#options, context);
    // The links renew what they need themselves, and know when they have done so.
    const link = new GuardedRedis({ ...own, ...extra, autoResubscribe: false }, this.#guard(), LINK_SILENCE_MS);
    this.#watch(link);
    return link;
  }

  /** A link tells of its state by events of its own; its errors must only not be unhandled. */
  #watch(link: Redis | Cluster): void {
    link.on('error', (error: Error) => this.client.emit('linkError', error));
    link.on('reconnecting', () => this.context.hold.followReconnect(link));
  }

  /** No breaker: a link tries until it is closed, and nobody waits for it. */
  #guard(options: { blocking?: boolean } = {}): CommandGuard {
    const { commandTimeoutMs } = this.#options;
    const guard = new CommandGuard({ connection: this.connection, commandTimeoutMs, breaker: false, ...options });
    this.#guards.push(guard);
    return guard;
  }

  /** Pub/sub reaches every node of a Cluster, so any one that is up will do. */
  #anyNode(): { host: string; port: number } | undefined {
    const nodes =
      this.client instanceof Cluster ? this.client.nodes('all').filter(({ status }) => status === 'ready') : [];
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    return node ? { host: node.options.host!, port: node.options.port! } : undefined;
  }
}
