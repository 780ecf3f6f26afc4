import type { ClusterOptions, RedisOptions } from 'ioredis';
import type {
  ResolvedCluster,
  ResolvedSentinel,
  ResolvedServerConnection,
  ResolvedStandalone,
} from '../redis.options.js';
import { DISCONNECT_TIMEOUT_MS, sentinelConnector, standaloneConnector } from './connectors.js';
import type { ProcessHold } from './process-hold.js';

const RECONNECT_FIRST_MS = 50;
const RECONNECT_MOST_MS = 500;
// A wrong password does not get right by trying, and each try is a line in the server's ACL LOG.
const RECONNECT_REFUSED_MS = 5_000;
const READONLY_RECONNECT_EVERY_MS = 5_000;

export interface ClientContext {
  readonly connectionName: string;
  readonly hold: ProcessHold;
  /** Whether the server has just refused the credentials. */
  readonly isRefused: () => boolean;
}

/** Options for one server, or for the master or a replica of a Sentinel group. */
export function singleOptions(
  resolved: ResolvedStandalone | ResolvedSentinel,
  context: ClientContext,
  role: 'master' | 'slave' = 'master',
): RedisOptions {
  const common = { ...commonOptions(resolved, context), db: resolved.db, reconnectOnError: demotedServer() };
  if (resolved.mode === 'standalone') {
    return { ...common, ...resolved.address, Connector: standaloneConnector(context.hold) };
  }
  return {
    ...common,
    sentinels: resolved.sentinels.map((address) => ({ ...address })),
    name: resolved.group,
    role,
    sentinelUsername: resolved.sentinelUsername,
    sentinelPassword: resolved.sentinelPassword,
    sentinelTLS: resolved.sentinelTls,
    enableTLSForSentinelMode: resolved.tls !== undefined,
    sentinelCommandTimeout: Math.min(1_000, resolved.connectTimeoutMs),
    // One pass over the sentinels is one attempt; the connection starts the next one itself.
    sentinelRetryStrategy: () => null,
    // Sentinels announce a new master; a hung one never says that it is none any more.
    failoverDetector: role === 'master',
    sentinelReconnectStrategy: () => 1_000,
    Connector: sentinelConnector(context.hold),
  };
}

export function clusterOptions(resolved: ResolvedCluster, context: ClientContext): ClusterOptions {
  const { retryStrategy: _replacedByTheCluster, ...node } = commonOptions(resolved, context);
  const retryDelayMs = 100;
  return {
    redisOptions: { ...node, Connector: standaloneConnector(context.hold) },
    scaleReads: resolved.readFrom === 'replica' ? 'slave' : 'master',
    // As many as fit into the longest deadline: an election is waited out, and the deadline is what ends it.
    maxRedirections: Math.ceil(resolved.commandTimeoutMs / 10) + 16,
    retryDelayOnFailover: retryDelayMs,
    retryDelayOnClusterDown: retryDelayMs,
    retryDelayOnTryAgain: retryDelayMs,
    slotsRefreshTimeout: Math.min(1_000, resolved.connectTimeoutMs),
    clusterRetryStrategy: (attempt) => reconnectDelay(attempt, context),
  };
}

/** Options for a link of its own to one node, such as a subscriber. */
export function nodeOptions(
  resolved: ResolvedServerConnection,
  context: ClientContext,
  address: () => { host: string; port: number } | undefined,
): RedisOptions {
  return { ...commonOptions(resolved, context), Connector: standaloneConnector(context.hold, address) };
}

export function reconnectDelay(attempt: number, context: ClientContext): number {
  if (context.isRefused()) return RECONNECT_REFUSED_MS;
  const delay = Math.min(RECONNECT_FIRST_MS * 2 ** (attempt - 1), RECONNECT_MOST_MS);
  return delay + Math.random() * RECONNECT_FIRST_MS;
}

/**
 * A server that was demoted behind its name or address answers READONLY for ever; a new connection finds the new master.
 * Not at every such error, or writes to what is a replica by intention would keep the connection down.
 */
function demotedServer(): (error: Error) => boolean {
  let lastAt = -Infinity;
  return ({ message }) => {
    if (!/\bREADONLY\b/.test(message) || performance.now() - lastAt < READONLY_RECONNECT_EVERY_MS) return false;
    lastAt = performance.now();
    return true;
  };
}

function commonOptions(resolved: ResolvedServerConnection, context: ClientContext): RedisOptions {
  return {
    connectionName: context.connectionName,
    connectTimeout: resolved.connectTimeoutMs,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    ...(resolved.username === undefined ? {} : { username: resolved.username }),
    ...(resolved.password === undefined ? {} : { password: resolved.password }),
    ...(resolved.tls === undefined ? {} : { tls: resolved.tls }),
    retryStrategy: (attempt) => reconnectDelay(attempt, context),
  };
}
