import type { Duration } from './duration.js';
import { RedisOptionsError } from './redis.errors.js';
import {
  resolveRedisOptions,
  type Address,
  type RedisConnectionOptions,
  type RedisModuleOptions,
  type ServerConnectionOptions,
} from './redis.options.js';

type Environment = Readonly<Record<string, string | undefined>>;

const NAMED_URL = /^REDIS_([A-Z0-9_]+)_URL$/;

/**
 * Reads the connections from environment variables. `REDIS_URL`, or `REDIS_CLUSTER_NODES`, or `REDIS_SENTINEL_HOSTS` with
 * `REDIS_SENTINEL_NAME`, or `REDIS_HOST` make the connection `default`, in this order; `REDIS_SESSION_URL` makes one named
 * `session`. With none of them there is one embedded connection.
 *
 * @throws RedisOptionsError that lists every variable that cannot be read.
 */
export function redisOptionsFromEnv(env: Environment = process.env): RedisModuleOptions {
  const mistakes: string[] = [];
  const shared = sharedOptions(env, mistakes);
  const connections: Record<string, RedisConnectionOptions> = { default: defaultConnection(env, shared, mistakes) };
  for (const [variable, url] of Object.entries(env)) {
    const name = NAMED_URL.exec(variable)?.[1]?.toLowerCase();
    if (name === 'default' && url && connections['default']?.mode !== 'embedded') {
      mistakes.push('REDIS_DEFAULT_URL names the connection "default" once more. Keep one of the variables.');
    }
    if (name && url) connections[name] = { mode: 'standalone', url, ...timeouts(env) };
  }
  throwAll(mistakes, { connections });
  return { connections };
}

/** Adds what the module would find, so that nobody has to fix the variables in two rounds. */
function throwAll(mistakes: readonly string[], options: RedisModuleOptions): void {
  try {
    resolveRedisOptions(options);
  } catch (error) {
    if (!(error instanceof RedisOptionsError)) throw error;
    throw new RedisOptionsError([...mistakes, ...error.mistakes]);
  }
  if (mistakes.length > 0) throw new RedisOptionsError(mistakes);
}

function defaultConnection(
  env: Environment,
  shared: ServerConnectionOptions,
  mistakes: string[],
): RedisConnectionOptions {
  const { REDIS_URL, REDIS_CLUSTER_NODES, REDIS_SENTINEL_HOSTS, REDIS_SENTINEL_NAME, REDIS_HOST } = env;
  // Kubernetes sets REDIS_PORT=tcp://10.0.0.11:6379 in every pod beside a service named "redis"; nobody means that.
  const REDIS_PORT = env['REDIS_PORT']?.startsWith('tcp://') ? undefined : env['REDIS_PORT'];
  const db = env['REDIS_DB'] ? { db: wholeNumber(env, 'REDIS_DB', mistakes) } : {};
  if (REDIS_URL) return { mode: 'standalone', url: REDIS_URL, ...shared, ...db };
  if (REDIS_CLUSTER_NODES)
    return { mode: 'cluster', nodes: addresses(env, 'REDIS_CLUSTER_NODES', 6379, mistakes), ...shared };
  if (REDIS_SENTINEL_HOSTS) {
    if (!REDIS_SENTINEL_NAME)
      mistakes.push('REDIS_SENTINEL_NAME is missing. Give the name of the master group beside REDIS_SENTINEL_HOSTS.');
    const sentinels = addresses(env, 'REDIS_SENTINEL_HOSTS', 26379, mistakes);
    return { mode: 'sentinel', sentinels, name: REDIS_SENTINEL_NAME ?? '', ...shared, ...db };
  }
  if (REDIS_HOST || REDIS_PORT) {
    const port = REDIS_PORT ? wholeNumber(env, 'REDIS_PORT', mistakes) : 6379;
    const host = REDIS_HOST ?? 'localhost';
    return {
      mode: 'standalone',
      url: `redis://${isBareIpv6(host) ? `[${host}]` : host}:${port}`,
      ...shared,
      ...db,
    };
  }
  return { mode: 'embedded' };
}

function isBareIpv6(host: string): boolean {
  return host.includes(':') && !host.startsWith('[');
}

function sharedOptions(env: Environment, mistakes: string[]): ServerConnectionOptions {
  const { REDIS_USERNAME, REDIS_PASSWORD, REDIS_TLS } = env;
  if (REDIS_TLS && !/^(true|false|1|0)$/i.test(REDIS_TLS)) {
    mistakes.push(`REDIS_TLS is ${JSON.stringify(REDIS_TLS.slice(0, 20))}. Write true or false.`);
  }
  return {
    ...(REDIS_USERNAME ? { username: REDIS_USERNAME } : {}),
    ...(REDIS_PASSWORD ? { password: REDIS_PASSWORD } : {}),
    ...(REDIS_TLS && /^(true|1)$/i.test(REDIS_TLS) ? { tls: true } : {}),
    ...timeouts(env),
  };
}

/** Passed on unread: the module names them in its own list of mistakes. */
function timeouts(env: Environment): Pick<ServerConnectionOptions, 'connectTimeout' | 'commandTimeout'> {
  const { REDIS_CONNECTION_TIMEOUT, REDIS_COMMAND_TIMEOUT } = env;
  return {
    ...(REDIS_CONNECTION_TIMEOUT ? { connectTimeout: REDIS_CONNECTION_TIMEOUT as Duration } : {}),
    ...(REDIS_COMMAND_TIMEOUT ? { commandTimeout: REDIS_COMMAND_TIMEOUT as Duration } : {}),
  };
}

function addresses(env: Environment, variable: string, defaultPort: number, mistakes: string[]): Address[] {
  return env[variable]!.split(',').flatMap((item) => {
    const match = /^\s*(\[[^\]]+\]|[^\s:[\]@]+)(?::(\d{1,5}))?\s*$/.exec(item);
    if (match) return [{ host: match[1]!.replace(/^\[(.*)\]$/, '$1'), port: Number(match[2] ?? defaultPort) }];
    mistakes.push(`${variable} has an entry that is not an address. Write host:port, separated by commas.`);
    return [];
  });
}

function wholeNumber(env: Environment, variable: string, mistakes: string[]): number {
  const text = env[variable]!;
  if (/^\d+$/.test(text)) return Number(text);
  mistakes.push(`${variable} is ${JSON.stringify(text.slice(0, 20))}. Write a whole number.`);
  return 0;
}
