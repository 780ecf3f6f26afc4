import { clusterViewOf } from '#harness/cluster-view';
import { eventually } from '#harness/eventually';
import { RedisServer, type ServerPlace } from '#harness/redis-server';
import { textOf } from '#harness/replies';
import { dataServerArgs } from '#harness/standalone';

const masterCount = 3;
const nodeCount = 6;
const slotCount = 16_384;

/** Starts six nodes that do not know each other. */
export async function startNodes(): Promise<RedisServer[]> {
  const launches = Array.from({ length: nodeCount }, () => RedisServer.launch({ args: nodeArgs, clusterBus: true }));
  const outcomes = await Promise.allSettled(launches);
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return started;
  await Promise.all(started.map((node) => node.stop()));
  throw failed.reason;
}

/** Joins the nodes into a Cluster and returns their ids: first the masters in the order of their slots, then a replica of each. */
export async function formCluster(nodes: readonly RedisServer[]): Promise<Map<RedisServer, string>> {
  const ids = await Promise.all(nodes.map(async (node) => textOf(await node.call('CLUSTER', 'MYID'))));
  await Promise.all(nodes.map((node, index) => node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)));
  await Promise.all(
    nodes.slice(0, masterCount).map((node, index) => node.call('CLUSTER', 'ADDSLOTS', ...slotsOf(index))),
  );
  // Everybody meets everybody: waiting for gossip to spread takes seconds.
  const meetings = nodes.flatMap((node, index) => nodes.slice(index + 1).map((other) => [node, other] as const));
  await Promise.all(meetings.map(([node, other]) => node.call('CLUSTER', 'MEET', other.host, other.port)));
  await Promise.all(nodes.map((node) => untilKnows(node, ids)));
  const replicas = nodes.slice(masterCount);
  await Promise.all(replicas.map((replica, index) => replica.call('CLUSTER', 'REPLICATE', ids[index] ?? '')));
  return new Map(nodes.map((node, index) => [node, ids[index] ?? '']));
}

function nodeArgs(place: ServerPlace): string[] {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000'];
  return [...dataServerArgs(place), ...cluster];
}

function slotsOf(master: number): number[] {
  const bound = (index: number): number => Math.round((index * slotCount) / masterCount);
  return Array.from({ length: bound(master + 1) - bound(master) }, (_, offset) => bound(master) + offset);
}

function untilKnows(node: RedisServer, ids: readonly string[]): Promise<true> {
  return eventually(`node ${node.port} knows all others`, async () => {
    const view = clusterViewOf(await node.call('CLUSTER', 'NODES'));
    const met = view.filter(({ flags }) => !flags.includes('handshake')).map(({ id }) => id);
    return ids.every((id) => met.includes(id));
  });
}
