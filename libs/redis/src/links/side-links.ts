import { Cluster, type Redis, type RedisOptions } from 'ioredis';
import type { ResolvedServerConnection } from '../redis.options.js';
import { CommandGuard } from '../client/command-guard.js';
import { GuardedRedis } from '../client/guarded-redis.js';
import { nodeOptions, singleOptions, type ClientContext } from '../client/ioredis-options.js';
import { BlockingPool } from './blocking-pool.js';
import { InvalidationTracker } from './invalidation-tracker.js';
import { Subscriber } from './subscriber.js';

// With the PING of a tended link every three seconds, a silent half-open one is found in under six. A tracker asks more
// often and stops to trust its link much earlier; what is bounded here is the time until it tries another connection.
const LINK_SILENCE_MS = 2_000;

/** The clients of a connection beside the one for commands, each made when it is first needed. */
export class SideLinks {
  readonly #options: ResolvedServerConnection;
  #subscriber: Subscriber | undefined;
  #blocking: BlockingPool | undefined;
  readonly #trackers = new Set<InvalidationTracker>();
  /** Without a breaker: a link tries until it is closed, and nobody waits for it. */
  readonly #guard: CommandGuard;

  constructor(
    connection: string,
    options: ResolvedServerConnection,
    private readonly context: ClientContext,
    private readonly client: Redis | Cluster,
  ) {
    this.#options = options;
    this.#guard = new CommandGuard({ connection, commandTimeoutMs: options.commandTimeoutMs, breaker: false });
  }

  get subscriber(): Subscriber {
    this.#subscriber ??= new Subscriber(this.#link('subscriber', () => this.#anyNode()));
    return this.#subscriber;
  }

  get blocking(): BlockingPool {
    this.#blocking ??= new BlockingPool(
      this.#options.commandTimeoutMs,
      (slot) => this.#ownerOf(slot),
      (place) => this.#link('blocking', () => addressFrom(place)),
    );
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
    this.#blocking?.close();
    for (const tracker of this.#trackers) tracker.close();
    this.#guard.close();
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
    const link = new GuardedRedis({ ...own, ...extra, autoResubscribe: false }, this.#guard, LINK_SILENCE_MS);
    // A link tells of its state by events of its own; its errors must only not be unhandled.
    link.on('error', (error) => this.client.emit('linkError', error));
    link.on('reconnecting', () => this.context.hold.followReconnect(link));
    return link;
  }

  /** Pub/sub reaches every node of a Cluster, so any one that is up will do. */
  #anyNode(): { host: string; port: number } | undefined {
    const nodes =
      this.client instanceof Cluster ? this.client.nodes('all').filter(({ status }) => status === 'ready') : [];
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    return node ? { host: node.options.host!, port: node.options.port! } : undefined;
  }

  /** The node of a Cluster that serves the slot; elsewhere there is one place for all. */
  #ownerOf(slot: number | null): string {
    if (!(this.client instanceof Cluster)) return '';
    return String(this.client.slots[slot ?? 0]?.[0] ?? '');
  }
}

function addressFrom(place: string): { host: string; port: number } | undefined {
  const at = place.lastIndexOf(':');
  return at === -1 ? undefined : { host: place.slice(0, at), port: Number(place.slice(at + 1)) };
}
