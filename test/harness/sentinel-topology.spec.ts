import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { startSentinel, type SentinelTopology } from './index.js';

describe('A Sentinel topology', () => {
  let topology: SentinelTopology;

  beforeAll(async () => {
    topology = await startSentinel();
  });

  afterAll(() => topology.stop());

  it('leads a client to the master, from where writes reach both replicas', async () => {
    const client = new Redis({ name: topology.name, sentinels: topology.sentinelAddresses });
    await client.set('bird', 'nuthatch');
    expect(await client.wait(2, 2_000)).toBe(2);
    client.disconnect();
    const replicas = await topology.replicas();
    expect(await Promise.all(replicas.map((replica) => replica.call('GET', 'bird')))).toEqual(['nuthatch', 'nuthatch']);
  });

  it('has another master after a failover, twice in a row', async () => {
    for (const round of [1, 2]) {
      const old = await topology.master();
      await topology.failover();
      const master = await topology.master();
      expect(master).not.toBe(old);
      expect(await master.call('SET', 'round', round)).toBe('OK');
    }
    await topology.untilHealthy();
  });

  it('elects a new master when the old one is killed, and takes the old one back as a replica', async () => {
    const old = await topology.master();
    await old.kill();
    const master = await topology.waitForNewMaster(old);
    expect(await topology.replicas()).toContain(old);
    await old.restart();
    await topology.untilHealthy();
    await master.call('SET', 'after', 'failover');
    expect(await master.call('WAIT', 2, 2_000)).toBe(2);
    expect(await old.call('GET', 'after')).toBe('failover');
  });

  it('elects a new master when the old one hangs', async () => {
    const old = await topology.master();
    old.pause();
    expect(await topology.waitForNewMaster(old)).not.toBe(old);
    old.resume();
    await topology.untilHealthy();
  });

  it('goes on with two Sentinels', async () => {
    const [sentinel] = topology.sentinels;
    await sentinel?.kill();
    await topology.failover();
    await sentinel?.restart();
    await topology.untilHealthy();
  });
});
