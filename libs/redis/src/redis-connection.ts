import type { Cluster, Redis } from 'ioredis';

export type RedisMode = 'embedded' | 'standalone' | 'sentinel' | 'cluster';

/**
 * `connecting`: not yet up for the first time. `ready`: commands pass. `down`: the link is lost or the breaker is open;
 * it is being re-established. `closed`: the application has shut down.
 */
export type ConnectionState = 'connecting' | 'ready' | 'down' | 'closed';

/** `up` and `down` follow {@link ConnectionState}; `failover`: another server has become a master. */
export type ConnectionEvent = 'up' | 'down' | 'failover';

/** A server as the deployment itself reports it. */
export interface TopologyNode {
  /** `host:port`, or the path of a unix socket. */
  readonly address: string;
  readonly role: 'master' | 'replica' | 'sentinel';
  /** Whether the server, or for a replica its link to the master, is up as far as the reporting server knows. */
  readonly up: boolean;
  /** Replicas: the address of their master. */
  readonly master?: string;
  /** Replicas: bytes of the replication stream that they have not got yet. */
  readonly lagBytes?: number;
  /** Cluster masters: the ranges of slots they serve, both ends included. */
  readonly slots?: readonly (readonly [from: number, to: number])[];
}

export interface Topology {
  readonly mode: RedisMode;
  readonly masters: readonly TopologyNode[];
  readonly replicas: readonly TopologyNode[];
  readonly sentinels: readonly TopologyNode[];
}

/** A named connection to Redis: one server, a Sentinel group, a Cluster, or nothing at all (embedded). */
export interface RedisConnection {
  readonly name: string;
  readonly mode: RedisMode;
  readonly state: ConnectionState;
  /**
   * The ioredis client. Each of its commands settles within `commandTimeout`; the connection owns it, so do not close it.
   *
   * @throws EmbeddedConnectionError on an embedded connection.
   */
  readonly client: Redis | Cluster;
  /**
   * One round trip, in milliseconds.
   *
   * @throws RedisUnreachableError
   * @throws RedisTimeoutError
   */
  ping(): Promise<number>;
  /** Asks the deployment for its servers: their roles, addresses, slots and replication lag. */
  topology(): Promise<Topology>;
  /** Calls `listener` on every such event; the returned function ends that. */
  on(event: ConnectionEvent, listener: () => void): () => void;
}
