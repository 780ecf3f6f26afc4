import type { ClusterTopology } from '#harness/cluster-topology';
import { clusterViewOf, owns } from '#harness/cluster-view';
import { eventually } from '#harness/eventually';
import type { RedisServer } from '#harness/redis-server';
import { listOf } from '#harness/replies';

/** A slot between two masters: the old owner answers `ASK` for each key that it no longer has. */
export class SlotMigration {
  readonly slot: number;
  readonly from: RedisServer;
  readonly to: RedisServer;
  readonly #cluster: ClusterTopology;

  /** Opens the slot on both sides and moves no key yet. */
  static async begin(cluster: ClusterTopology, slot: number, to: RedisServer): Promise<SlotMigration> {
    const from = await cluster.ownerOfSlot(slot);
    if (from === to) throw new Error(`Slot ${slot} is already on port ${to.port}. Migrate it to another master.`);
    // In this order: an old owner that is already migrating would send clients to one that knows nothing of it.
    await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', cluster.idOf(from));
    await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', cluster.idOf(to));
    return new SlotMigration(cluster, slot, from, to);
  }

  private constructor(cluster: ClusterTopology, slot: number, from: RedisServer, to: RedisServer) {
    this.#cluster = cluster;
    this.slot = slot;
    this.from = from;
    this.to = to;
  }

  /** Moves these keys; the slot stays half migrated. Keys that do not exist are passed over. */
  async moveKeys(keys: string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.from.call('MIGRATE', this.to.host, this.to.port, '', 0, 5_000, 'KEYS', ...keys);
  }

  /** Moves what remains, closes the slot, and returns when every running node knows the new owner. */
  async finish(): Promise<void> {
    for (;;) {
      const keys = listOf(await this.from.call('CLUSTER', 'GETKEYSINSLOT', this.slot, 100)).map(String);
      if (keys.length === 0) break;
      await this.moveKeys(keys);
    }
    const others = (await this.#cluster.masters()).filter((node) => node !== this.to && node !== this.from);
    // The new owner first: if only the old one knew, both would point at each other and a client would go in circles.
    for (const node of [this.to, this.from, ...others]) {
      await node.call('CLUSTER', 'SETSLOT', this.slot, 'NODE', this.#cluster.idOf(this.to));
    }
    const owner = this.#cluster.idOf(this.to);
    await eventually(`every node gives slot ${this.slot} to port ${this.to.port}`, async () => {
      const running = this.#cluster.nodes.filter((node) => node.running);
      const views = await Promise.all(running.map((node) => node.call('CLUSTER', 'NODES')));
      return views.every((view) =>
        clusterViewOf(view).some(({ id, ...rest }) => id === owner && owns({ id, ...rest }, this.slot)),
      );
    });
  }
}
