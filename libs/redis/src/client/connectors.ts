import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { AbstractConnector, SentinelConnector, type RedisOptions, type SentinelConnectionOptions } from 'ioredis';
import { holdWrites } from './hold-writes.js';
import type { ProcessHold } from './process-hold.js';

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
  } as ConnectorClass;
}

/** Asks the sentinels for the address first. */
export function sentinelConnector(hold: ProcessHold): ConnectorClass {
  return class extends SentinelConnector {
    constructor(options: SentinelConnectionOptions) {
      super(options);
    }

    override async connect(emitError: EmitError): Promise<Socket> {
      return hold.watch(holdWrites(await super.connect(emitError)));
    }
  } as ConnectorClass;
}

function open({ path, host, port, family, tls }: RedisOptions): Socket {
  const address = path ? { path } : { host: host ?? 'localhost', port: port ?? 6379, family: family ?? 0 };
  return tls
    ? connectTls({ ...address, ...(tls as ConnectionOptions) } as ConnectionOptions)
    : createConnection(address as NetConnectOpts);
}
