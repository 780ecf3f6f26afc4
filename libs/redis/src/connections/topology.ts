import { Cluster, Redis } from 'ioredis';
import type { Topology, TopologyNode } from '../redis-connection.js';
import type { Address, ResolvedSentinel, ResolvedServerConnection } from '../redis.options.js';
import { runCommand } from '../scripts/command-runner.js';

/** Asks the deployment for its servers. */
export async function readTopology(options: ResolvedServerConnection, client: Redis | Cluster): Promise<Topology> {
  if (client instanceof Cluster) return clusterTopology(client);
  const replication = parseInfo((await runCommand(client, 'info', ['replication'])) as string);
  const { master, replicas } = replicationNodes(replication, addressOf(client));
  const sentinels =
    options.mode === 'sentinel'
      ? await Promise.all(options.sentinels.map((address) => askSentinel(options, address)))
      : [];
  return { mode: options.mode, masters: [master], replicas, sentinels };
}

/** Reads INFO into its fields. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

function replicationNodes(
  info: ReadonlyMap<string, string>,
  own: string,
): { master: TopologyNode; replicas: TopologyNode[] } {
  if (info.get('role') === 'slave') {
    const master = `${info.get('master_host')}:${info.get('master_port')}`;
    const up = info.get('master_link_status') === 'up';
    return {
      master: { address: master, role: 'master', up },
      replicas: [{ address: own, role: 'replica', up, master }],
    };
  }
  const offset = Number(info.get('master_repl_offset') ?? 0);
  const replicas: TopologyNode[] = [];
  for (const [field, value] of info) {
    if (!/^slave\d+$/.test(field)) continue;
    const entry = new Map(value.split(',').map((pair) => pair.split('=', 2) as [string, string]));
    replicas.push({
      address: `${entry.get('ip')}:${entry.get('port')}`,
      role: 'replica',
      up: entry.get('state') === 'online',
      master: own,
      lagBytes: Math.max(0, offset - Number(entry.get('offset') ?? 0)),
    });
  }
  return { master: { address: own, role: 'master', up: true }, replicas };
}

async function clusterTopology(cluster: Cluster): Promise<Topology> {
  const nodes = parseClusterNodes((await runCommand(cluster, 'cluster', ['nodes'])) as string);
  const masters = nodes.filter(({ role }) => role === 'master');
  // Only a master knows how far its replicas are behind it.
  const lags = await Promise.all(
    cluster.nodes('master').map(async (node) => {
      try {
        return replicationNodes(parseInfo(await node.info('replication')), addressOf(node)).replicas;
      } catch {
        // The master is down: CLUSTER NODES says so already, and its replicas have no lag to tell.
        return [];
      }
    }),
  );
  const lagOf = new Map(lags.flat().map(({ address, lagBytes }) => [address, lagBytes]));
  const replicas = nodes
    .filter(({ role }) => role === 'replica')
    .map((node) => ({
      ...node,
      ...(lagOf.get(node.address) === undefined ? {} : { lagBytes: lagOf.get(node.address)! }),
    }));
  return { mode: 'cluster', masters, replicas, sentinels: [] };
}

function parseClusterNodes(text: string): TopologyNode[] {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const addresses = new Map(rows.map(([id, address]) => [id, address!.replace(/@.*$/, '')]));
  return rows.map(([, endpoint, flags, masterId, , , , link, ...slots]) => {
    const address = endpoint!.replace(/@.*$/, '');
    const up = link === 'connected' && !/fail|noaddr|handshake/.test(flags!);
    if (flags!.includes('slave')) return { address, role: 'replica', up, master: addresses.get(masterId!) ?? '' };
    return { address, role: 'master', up, slots: slots.filter((range) => !range.startsWith('[')).map(slotRange) };
  });
}

function slotRange(text: string): readonly [number, number] {
  const [from, to = from] = text.split('-').map(Number);
  return [from!, to!];
}

async function askSentinel(options: ResolvedSentinel, { host, port }: Readonly<Address>): Promise<TopologyNode> {
  const client = new Redis({
    host,
    port,
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: options.connectTimeoutMs,
    commandTimeout: options.commandTimeoutMs,
    socketTimeout: options.commandTimeoutMs,
    disconnectTimeout: 100,
    enableReadyCheck: false,
    ...(options.sentinelUsername === undefined ? {} : { username: options.sentinelUsername }),
    ...(options.sentinelPassword === undefined ? {} : { password: options.sentinelPassword }),
    ...(options.sentinelTls === undefined ? {} : { tls: options.sentinelTls }),
  });
  let up = false;
  client.on('error', () => (up = false));
  try {
    up = (await client.ping()) === 'PONG';
  } catch {
    // Not answering is what `up: false` says.
  } finally {
    client.disconnect();
  }
  return { address: `${host}:${port}`, role: 'sentinel', up };
}

function addressOf({ stream, options }: Redis): string {
  if (options.path) return options.path;
  return stream?.remoteAddress ? `${stream.remoteAddress}:${stream.remotePort}` : `${options.host}:${options.port}`;
}
