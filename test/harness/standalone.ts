import path from 'node:path';
import { RedisServer, type ServerPlace, type TlsFiles } from '#harness/redis-server';

/** What a spec may ask of a standalone server. */
export interface StandaloneOptions {
  /** More arguments of the binary: `['--maxmemory', '10mb']`. They win over those of the harness. `@default []` */
  readonly args?: readonly string[];
  /** Listens on a Unix socket too, see `socketPath`. `@default false` */
  readonly unixSocket?: boolean;
  /** The port speaks TLS only. */
  readonly tls?: TlsFiles;
  /** @default a free one */
  readonly port?: number;
}

const socketName = 'redis.sock';

/** Starts one server without persistence. */
export function startStandalone(options: StandaloneOptions = {}): Promise<RedisServer> {
  const { args = [], unixSocket = false, tls, port } = options;
  const password = args[args.lastIndexOf('--requirepass') + 1];
  return RedisServer.launch({
    port,
    tls,
    password: args.includes('--requirepass') ? password : undefined,
    socketName: unixSocket ? socketName : undefined,
    args: (place) => [
      ...dataServerArgs(place),
      ...(unixSocket ? ['--unixsocket', socketName, '--unixsocketperm', '700'] : []),
      ...(tls === undefined ? [] : tlsArgs(place, tls)),
      ...args,
    ],
  });
}

/** The arguments that every server with data has. */
export function dataServerArgs({ port, directory }: ServerPlace): string[] {
  const durable = [
    '--save',
    '',
    '--appendonly',
    'no',
    '--repl-diskless-sync',
    'yes',
    '--repl-diskless-sync-delay',
    '0',
  ];
  return ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...durable];
}

function tlsArgs({ port }: ServerPlace, { key, cert, ca }: TlsFiles): string[] {
  const file = (name: string): string => path.resolve(name);
  const files = ['--tls-key-file', file(key), '--tls-cert-file', file(cert), '--tls-ca-cert-file', file(ca)];
  return ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
}
