import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Duration } from './duration.js';
import { RedisOptionsError } from './redis.errors.js';
import { OptionsReader } from './options-reader.js';

export interface RedisModuleOptions {
  /**
   * Prefixes every key and channel of the suite.
   * @default 'app'
   */
  namespace?: string;
  /**
   * Whether the providers are visible in every module.
   * @default true
   */
  isGlobal?: boolean;
  /**
   * The connections by name. Modules use `'default'` unless told otherwise.
   * @default { default: { mode: 'embedded' } }
   */
  connections?: Record<string, RedisConnectionOptions>;
}

export type RedisConnectionOptions =
  EmbeddedConnectionOptions | StandaloneConnectionOptions | SentinelConnectionOptions | ClusterConnectionOptions;

/** No Redis: the capabilities run on drivers inside the process. */
export interface EmbeddedConnectionOptions {
  mode: 'embedded';
}

export interface ServerConnectionOptions {
  /** The ACL user. @default the `default` user */
  username?: string;
  password?: string;
  /** `true`, or options of `tls.connect`, for the data servers. @default false */
  tls?: boolean | TlsOptions;
  /** Until a connection is established, handshake included. @default '2s' */
  connectTimeout?: Duration;
  /** The deadline of every command: it settles by then, whatever the server does. @default '1s' */
  commandTimeout?: Duration;
  /**
   * A link on which a reply is due and nothing has come for this long is dropped and made anew.
   * @default the value of `commandTimeout`
   */
  silenceTimeout?: Duration;
  /** `failures` in a row open the breaker; after `resetAfter` one call probes. @default { failures: 5, resetAfter: '30s' } */
  breaker?: { failures?: number; resetAfter?: Duration };
}

export interface StandaloneConnectionOptions extends ServerConnectionOptions {
  mode: 'standalone';
  /** `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or `unix:///path/to/socket`. */
  url: string;
  /** The number of the database. @default that of the URL, or 0 */
  db?: number;
  /** A lone server has no replica to read from. @default 'master' */
  readFrom?: 'master';
}

export interface Address {
  host: string;
  port: number;
}

export interface SentinelConnectionOptions extends ServerConnectionOptions {
  mode: 'sentinel';
  sentinels: Address[];
  /** The name of the master group. */
  name: string;
  /** The number of the database. @default 0 */
  db?: number;
  /** Credentials and TLS of the sentinels themselves. */
  sentinelUsername?: string;
  sentinelPassword?: string;
  sentinelTls?: boolean | TlsOptions;
  /** Where commands that only read are sent. A replica may lag. @default 'master' */
  readFrom?: 'master' | 'replica';
}

export interface ClusterConnectionOptions extends ServerConnectionOptions {
  mode: 'cluster';
  /** Some nodes to start from; the others are found. */
  nodes: Address[];
  /** Where commands that only read are sent. A replica may lag. @default 'master' */
  readFrom?: 'master' | 'replica';
}

interface ResolvedServer {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly silenceMs: number;
  readonly breaker: { readonly failures: number; readonly resetAfterMs: number };
}

export interface ResolvedStandalone extends ResolvedServer {
  readonly mode: 'standalone';
  readonly address: { readonly path: string } | Readonly<Address>;
  readonly db: number;
}

export interface ResolvedSentinel extends ResolvedServer {
  readonly mode: 'sentinel';
  readonly sentinels: readonly Readonly<Address>[];
  readonly group: string;
  readonly db: number;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly sentinelTls: TlsOptions | undefined;
  readonly readFrom: 'master' | 'replica';
}

export interface ResolvedCluster extends ResolvedServer {
  readonly mode: 'cluster';
  readonly nodes: readonly Readonly<Address>[];
  readonly readFrom: 'master' | 'replica';
}

export type ResolvedConnection =
  { readonly mode: 'embedded' } | ResolvedStandalone | ResolvedSentinel | ResolvedCluster;
export type ResolvedServerConnection = Exclude<ResolvedConnection, { mode: 'embedded' }>;

export interface ResolvedRedisOptions {
  readonly namespace: string;
  readonly connections: ReadonlyMap<string, ResolvedConnection>;
}

/**
 * Checks the options and fills the defaults.
 *
 * @throws RedisOptionsError that lists every mistake at once.
 */
export function resolveRedisOptions(options: RedisModuleOptions = {}): ResolvedRedisOptions {
  const mistakes: string[] = [];
  const root = new OptionsReader(options, 'options', mistakes);
  const namespace = root.matching(
    'namespace',
    /^[\w.-]{1,64}$/,
    'letters, digits, ".", "_" and "-", at most 64',
    'app',
  );
  root.ignore('isGlobal');
  const connections = new Map<string, ResolvedConnection>();
  for (const [name, raw] of root.entries('connections', { default: { mode: 'embedded' } })) {
    connections.set(name, resolveConnection(new OptionsReader(raw, `connections.${name}`, mistakes)));
  }
  root.rejectUnknown();
  if (mistakes.length > 0) throw new RedisOptionsError(mistakes);
  return { namespace, connections };
}

function resolveConnection(reader: OptionsReader): ResolvedConnection {
  const mode = reader.oneOf('mode', ['embedded', 'standalone', 'sentinel', 'cluster'] as const);
  const resolved = mode === undefined ? undefined : RESOLVERS[mode](reader);
  if (mode !== undefined) reader.rejectUnknown();
  return resolved ?? { mode: 'embedded' };
}

const RESOLVERS = {
  embedded: () => ({ mode: 'embedded' }) as const,
  standalone: resolveStandalone,
  sentinel: (reader: OptionsReader): ResolvedSentinel => ({
    mode: 'sentinel',
    ...resolveServer(reader),
    sentinels: reader.addresses('sentinels'),
    group: reader.text('name', 'the name of the master group, for example "mymaster"') ?? '',
    db: reader.integer('db', 0, 0),
    sentinelUsername: reader.optionalText('sentinelUsername'),
    sentinelPassword: reader.optionalText('sentinelPassword'),
    sentinelTls: reader.tls('sentinelTls'),
    readFrom: reader.oneOf('readFrom', ['master', 'replica'] as const, 'master') ?? 'master',
  }),
  cluster: (reader: OptionsReader): ResolvedCluster => ({
    mode: 'cluster',
    ...resolveServer(reader),
    nodes: reader.addresses('nodes'),
    readFrom: reader.oneOf('readFrom', ['master', 'replica'] as const, 'master') ?? 'master',
  }),
};

function resolveStandalone(reader: OptionsReader): ResolvedStandalone {
  const server = resolveServer(reader);
  const url = reader.url('url');
  reader.oneOf('readFrom', ['master'], 'master');
  return {
    mode: 'standalone',
    ...server,
    username: server.username ?? url?.username,
    password: server.password ?? url?.password,
    tls: server.tls ?? (url?.tls ? {} : undefined),
    address: url?.address ?? { host: '', port: 0 },
    db: reader.integer('db', 0, url?.db ?? 0),
  };
}

function resolveServer(reader: OptionsReader): ResolvedServer {
  const commandTimeoutMs = reader.duration('commandTimeout', '1s');
  const breaker = reader.nested('breaker');
  const resolved: ResolvedServer = {
    username: reader.optionalText('username'),
    password: reader.optionalText('password'),
    tls: reader.tls('tls'),
    connectTimeoutMs: reader.duration('connectTimeout', '2s'),
    commandTimeoutMs,
    silenceMs: reader.duration('silenceTimeout', `${commandTimeoutMs}ms`),
    breaker: {
      failures: breaker.integer('failures', 1, 5),
      resetAfterMs: breaker.duration('resetAfter', '30s'),
    },
  };
  breaker.rejectUnknown();
  return resolved;
}
