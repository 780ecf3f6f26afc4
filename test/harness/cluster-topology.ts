import { addressOf, type Address } from '#harness/address';
import { clusterViewOf, fingerprint, owns, type ClusterMember } from '#harness/cluster-view';
import { formCluster, startNodes } from '#harness/cluster-formation';
import { eventually } from '#harness/eventually';
import { slotOf } from '#harness/key-slot';
import type { RedisServer } from '#harness/redis-server';
import { infoOf } from '#harness/replies';
import { SlotMigration } from '#harness/slot-migration';

/** Three masters and a replica of each. */
export class ClusterTopology {
  readonly nodes: RedisServer[];
  readonly #ids: ReadonlyMap<RedisServer, string>;

  /** Returns once the Cluster is healthy. */
  static async start(): Promise<ClusterTopology> {
    const nodes = await startNodes();
    try {
      const cluster = new ClusterTopology(await formCluster(nodes));
      await cluster.untilHealthy();
      return cluster;
    } catch (error) {
      await Promise.all(nodes.map((node) => node.stop()));
      throw error;
    }
  }

  private constructor(ids: ReadonlyMap<RedisServer, string>) {
    this.#ids = ids;
    this.nodes = [...ids.keys()];
  }

  get addresses(): Address[] {
    return this.nodes.map(addressOf);
  }

  /** The node id, which survives a restart. */
  idOf(node: RedisServer): string {
    const id = this.#ids.get(node);
    if (id === undefined) throw new Error(`Port ${node.port} is not a node of this Cluster.`);
    return id;
  }

  slotOf(key: string): number {
    return slotOf(key);
  }

  /** The running nodes that own slots, by their first slot. */
  async masters(): Promise<RedisServer[]> {
    const claims = await this.#claims();
    return claims.map(([node]) => node);
  }

  /** The running master of the key; waits for a failover to end if there is none now. */
  ownerOf(key: string): Promise<RedisServer> {
    return this.ownerOfSlot(slotOf(key));
  }

  /** As `ownerOf`, by slot. */
  ownerOfSlot(slot: number): Promise<RedisServer> {
    return eventually(`slot ${slot} has a running owner`, async () => {
      const claims = await this.#claims();
      return claims.find(([, self]) => owns(self, slot))?.[0];
    });
  }

  /** The running nodes that replicate this master, which may be dead. */
  async replicasOf(master: RedisServer): Promise<RedisServer[]> {
    const selves = await this.#selves();
    return selves.filter(([, self]) => self.masterId === this.idOf(master)).map(([node]) => node);
  }

  /** `CLUSTER FAILOVER`; returns when every running node takes the replica for a master. Its master must be running. */
  async promote(replica: RedisServer): Promise<void> {
    await replica.call('CLUSTER', 'FAILOVER');
    await eventually(`every node takes port ${replica.port} for a master`, async () => {
      const views = await this.#views();
      return views.every((view) => view.some(({ id, slots }) => id === this.idOf(replica) && slots.length > 0));
    });
  }

  /** Half migrates a slot: see {@link SlotMigration}. */
  beginMigration(slot: number, to: RedisServer): Promise<SlotMigration> {
    return SlotMigration.begin(this, slot, to);
  }

  /** Waits until all six nodes say `ok`, agree on roles and slots, and each replica's link is up. */
  async untilHealthy(): Promise<void> {
    await eventually('the Cluster is healthy', async () => {
      await Promise.all(this.nodes.map(assertOk));
      const views = await this.#views();
      if (new Set(views.map(fingerprint)).size !== 1) throw new Error('the nodes do not agree on roles and slots');
      const unseen = views
        .flat()
        .find(({ flags, connected }) => !connected || flags.some((flag) => /fail|handshake/.test(flag)));
      if (unseen !== undefined)
        throw new Error(`a node sees ${unseen.id} as ${unseen.flags.join()}, or has no link to it`);
      const masters = views[0]?.filter(({ slots }) => slots.length > 0).length;
      if (masters !== 3) throw new Error(`${masters} masters have slots instead of 3`);
      return true;
    });
  }

  /** Stops all six nodes. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  async #claims(): Promise<(readonly [RedisServer, ClusterMember])[]> {
    const claims = (await this.#selves()).filter(([, self]) => self.slots.length > 0);
    // A master that comes back from a pause claims its old slots for a moment; the higher epoch is right.
    const outdated = (self: ClusterMember): boolean =>
      claims.some(([, other]) => other.epoch > self.epoch && self.slots.some(([first]) => owns(other, first)));
    return claims
      .filter(([, self]) => !outdated(self))
      .sort(([, left], [, right]) => (left.slots[0]?.[0] ?? 0) - (right.slots[0]?.[0] ?? 0));
  }

  async #selves(): Promise<(readonly [RedisServer, ClusterMember])[]> {
    const running = this.nodes.filter((node) => node.running);
    return Promise.all(
      running.map(async (node) => {
        const self = clusterViewOf(await node.call('CLUSTER', 'NODES')).find(({ flags }) => flags.includes('myself'));
        if (self === undefined) throw new Error(`Port ${node.port} does not list itself in CLUSTER NODES.`);
        return [node, self] as const;
      }),
    );
  }

  #views(): Promise<(readonly ClusterMember[])[]> {
    const running = this.nodes.filter((node) => node.running);
    return Promise.all(running.map(async (node) => clusterViewOf(await node.call('CLUSTER', 'NODES'))));
  }
}

/** Starts a Cluster of 3 masters and 3 replicas. */
export function startCluster(): Promise<ClusterTopology> {
  return ClusterTopology.start();
}

async function assertOk(node: RedisServer): Promise<void> {
  const cluster = infoOf(await node.call('CLUSTER', 'INFO'));
  const { cluster_state: state, cluster_slots_ok: slots } = cluster;
  if (state !== 'ok' || slots !== '16384') throw new Error(`port ${node.port} says ${state}, with ${slots} slots ok`);
  // A replica whose replication offset has not yet reached this node is left out here, and clients do not find it.
  const ranges = (await node.call('CLUSTER', 'SLOTS')) as unknown[][];
  if (ranges.some((range) => range.length < 4)) throw new Error(`port ${node.port} does not offer every replica yet`);
  const { role, master_link_status: link } = infoOf(await node.call('INFO', 'replication'));
  if (role === 'slave' && link !== 'up') throw new Error(`the link of replica ${node.port} is ${link}`);
}
