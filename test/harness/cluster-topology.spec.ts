import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Cluster } from 'ioredis';
import { startCluster, type ClusterTopology } from './index.js';

describe('A Cluster', () => {
  let cluster: ClusterTopology;

  beforeAll(async () => {
    cluster = await startCluster();
  });

  afterAll(() => cluster.stop());

  it('has three masters with a replica each', async () => {
    const masters = await cluster.masters();
    expect(masters).toHaveLength(3);
    for (const master of masters) expect(await cluster.replicasOf(master)).toHaveLength(1);
  });

  it.each(['', 'bird', '{nest}:eggs', 'a{}b', '{}x', 'a{b}{c}', '{{b}}', 'ключ'])(
    'knows the slot of "%s"',
    async (key) => {
      expect(cluster.slotOf(key)).toBe(await cluster.nodes[0]?.call('CLUSTER', 'KEYSLOT', key));
    },
  );

  it('keeps a key where it says, and leads a client there', async () => {
    const client = new Cluster(cluster.addresses);
    await client.set('bird', 'nuthatch');
    client.disconnect();
    const owner = await cluster.ownerOf('bird');
    expect(await owner.call('GET', 'bird')).toBe('nuthatch');
    const [other] = (await cluster.masters()).filter((master) => master !== owner);
    await expect(other?.call('GET', 'bird')).rejects.toThrow(`MOVED ${cluster.slotOf('bird')} 127.0.0.1:${owner.port}`);
  });

  it('answers ASK for the keys that have left a half-migrated slot, and MOVED when the slot is finished', async () => {
    const from = await cluster.ownerOf('{nest}');
    const [to] = (await cluster.masters()).filter((master) => master !== from);
    if (to === undefined) throw new Error('no other master');
    for (const key of ['{nest}:1', '{nest}:2', '{nest}:3']) await from.call('SET', key, key);

    const slot = cluster.slotOf('{nest}');
    const migration = await cluster.beginMigration(slot, to);
    await migration.moveKeys(['{nest}:1']);
    await expect(from.call('GET', '{nest}:1')).rejects.toThrow(`ASK ${slot} 127.0.0.1:${to.port}`);
    await expect(to.call('GET', '{nest}:1')).rejects.toThrow('MOVED');
    expect(await from.call('GET', '{nest}:2')).toBe('{nest}:2');
    await expect(from.call('MGET', '{nest}:1', '{nest}:2')).rejects.toThrow('TRYAGAIN');

    await migration.finish();
    await expect(from.call('GET', '{nest}:2')).rejects.toThrow('MOVED');
    expect(await to.call('MGET', '{nest}:1', '{nest}:2', '{nest}:3')).toEqual(['{nest}:1', '{nest}:2', '{nest}:3']);
    expect(await cluster.ownerOf('{nest}')).toBe(to);
    await cluster.untilHealthy();
  });

  it('makes a replica the master when it is promoted', async () => {
    const old = await cluster.ownerOf('bird');
    const [replica] = await cluster.replicasOf(old);
    if (replica === undefined) throw new Error('no replica');
    await cluster.promote(replica);
    expect(await cluster.ownerOf('bird')).toBe(replica);
    await cluster.untilHealthy();
    expect(await cluster.replicasOf(replica)).toEqual([old]);
    expect(await replica.call('GET', 'bird')).toBe('nuthatch');
  });

  it('fails over when a master is killed, and takes it back as a replica', async () => {
    const old = await cluster.ownerOf('bird');
    await old.kill();
    const master = await cluster.ownerOf('bird');
    expect(master).not.toBe(old);
    expect(await master.call('GET', 'bird')).toBe('nuthatch');
    await old.restart();
    await cluster.untilHealthy();
    expect(await cluster.replicasOf(master)).toEqual([old]);
  });
});
