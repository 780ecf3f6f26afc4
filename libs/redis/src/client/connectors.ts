import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { AbstractConnector, SentinelConnector, type Redis, type RedisOptions } from 'ioredis';
import { ChunkReader } from './chunk-reader.js';
import { holdWrites } from './hold-writes.js';
import type { ProcessHold } from './process-hold.js';

/** How long a socket may take to close before it is destroyed, in milliseconds. */
export const DISCONNECT_TIMEOUT_MS = 100;

type ConnectorClass = NonNullable<RedisOptions['Connector']>;
type EmitError = (type: string, error: Error) => void;

/**
 * Connects to one address. Also used for every node of a Cluster, because it gets the options of the node.
 *
 * @param locate asked for the address at each attempt, instead of the options
 */
export function standaloneConnector(
  hold: ProcessHold,
  locate?: () => { host: string; port: number } | undefined,
): ConnectorClass {
  return class extends AbstractConnector {
    constructor(private readonly redisOptions: RedisOptions) {
      super(redisOptions.disconnectTimeout ?? 0);
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      // ioredis may disconnect() in the same tick; a socket opened after that would be nobody's.
      await Promise.resolve();
      if (!this.connecting) throw new Error('Connection is closed.');
      const address = locate ? locate() : {};
      if (!address) throw new Error('None of startup nodes is available');
      const socket = open({ ...this.redisOptions, ...address });
      socket.once('error', (error) => (this.firstError = error));
      this.stream = hold.watch(holdWrites(socket));
      return this.stream;
    }

    override disconnect(): void {
      // ioredis waits for the end of a socket that may have ended long ago, and keeps the process alive for that.
      if (this.stream?.destroyed) this.connecting = false;
      else super.disconnect();
    }
  } as ConnectorClass;
}

/** Asks the sentinels for the address first. */
export function sentinelConnector(hold: ProcessHold): ConnectorClass {
  class Connector extends SentinelConnector {
    #reader: ChunkReader | undefined;

    override async connect(emitError: EmitError): Promise<Socket> {
      const socket = await super.connect(emitError);
      return hold.watch(holdWrites(this.#reader!.attach(socket)));
    }

    /** Once a sentinel has said where to connect to, which ioredis then does with what is given here. */
    withReader(address: object): object {
      this.#reader = new ChunkReader();
      return { ...address, onread: this.#reader.onread };
    }
  }
  // ioredis makes the clients for the sentinels itself; these must not keep the process alive either.
  const { connectToSentinel, initFailoverDetector, resolve } =
    SentinelConnector.prototype as unknown as SentinelInternals;
  const quiet = { Connector: standaloneConnector(hold), disconnectTimeout: DISCONNECT_TIMEOUT_MS };
  Object.assign(Connector.prototype, {
    connectToSentinel(this: SentinelConnector, endpoint: unknown, options?: RedisOptions): Redis {
      const client = connectToSentinel.call(this, endpoint, { ...options, ...quiet });
      client.on('reconnecting', () => hold.followReconnect(client));
      return client;
    },
    async resolve(this: Connector, endpoint: unknown): Promise<object | null> {
      const address = await resolve.call(this, endpoint);
      return address && this.withReader(address);
    },
    async initFailoverDetector(this: SentinelConnector & { readonly connecting: boolean }): Promise<void> {
      // A socket may get through after disconnect(), which was the last to close any client for a sentinel.
      if (this.connecting) await initFailoverDetector.call(this);
    },
  } satisfies SentinelInternals);
  return Connector as ConnectorClass;
}

interface SentinelInternals {
  connectToSentinel(endpoint: unknown, options?: RedisOptions): Redis;
  initFailoverDetector(): Promise<void>;
  resolve(endpoint: unknown): Promise<object | null>;
}

function open({ path, host, port, family, tls }: RedisOptions): Socket {
  const address = path ? { path } : { host: host ?? 'localhost', port: port ?? 6379, family: family ?? 0 };
  const reader = new ChunkReader();
  const options = { ...address, ...(tls as ConnectionOptions | undefined), onread: reader.onread };
  return reader.attach(tls ? connectTls(options as ConnectionOptions) : createConnection(options as NetConnectOpts));
}
