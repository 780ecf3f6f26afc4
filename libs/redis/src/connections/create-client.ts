import type { Cluster, Redis } from 'ioredis';
import type { ResolvedServerConnection } from '../redis.options.js';
import type { CommandGuard } from '../client/command-guard.js';
import { GuardedCluster } from '../client/guarded-cluster.js';
import { GuardedRedis } from '../client/guarded-redis.js';
import { clusterOptions, singleOptions, type ClientContext } from '../client/ioredis-options.js';
import { keepSlotsFresh } from './slots-refresh.js';

/** Makes the client for commands. It connects when it is told to, or at its first command. */
export function createClient(
  resolved: ResolvedServerConnection,
  context: ClientContext,
  guard: CommandGuard,
): Redis | Cluster {
  const { silenceMs } = resolved;
  if (resolved.mode === 'cluster') {
    const nodes = resolved.nodes.map((address) => ({ ...address }));
    const cluster = new GuardedCluster(nodes, clusterOptions(resolved, context), guard, silenceMs);
    keepSlotsFresh(cluster);
    return cluster;
  }
  const client = new GuardedRedis(singleOptions(resolved, context), guard, silenceMs);
  if (resolved.mode === 'sentinel' && resolved.readFrom === 'replica') {
    client.readFrom(new GuardedRedis(singleOptions(resolved, context, 'slave'), guard, silenceMs));
  }
  return client;
}
