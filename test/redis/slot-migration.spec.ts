import { startCluster, type ClusterTopology, type SlotMigration } from '../harness/index.js';
import { closeConnections, openConnection, untilUp } from './open-connection.js';
import type { ServerConnection } from '@nuthatch/redis/internal';

describe('while a slot is half migrated', () => {
  let topology: ClusterTopology;
  let connection: ServerConnection;
  let migration: SlotMigration;
  const keys = Array.from({ length: 20 }, (_, index) => `{moving}:${index}`);
  const elsewhere = Array.from({ length: 20 }, (_, index) => `elsewhere:${index}`);

  beforeAll(async () => {
    topology = await startCluster();
    ({ connection } = await openConnection({
      mode: 'cluster',
      nodes: topology.addresses,
      commandTimeout: '3s',
      // More than the calls that run out of time here on purpose: on a busy machine all of them do.
      breaker: { failures: 1_000, resetAfter: '30s' },
    }));
    await untilUp(connection);
    await Promise.all([...keys, ...elsewhere].map((key) => connection.client.set(key, `value of ${key}`)));
    const owner = await topology.ownerOf(keys[0]!);
    const target = (await topology.masters()).find((master) => master !== owner)!;
    migration = await topology.beginMigration(topology.slotOf(keys[0]!), target);
    await migration.moveKeys(keys.slice(0, 10));
  });

  afterAll(async () => {
    await closeConnections();
    await topology.stop();
  });

  const readAll = (names: string[]) =>
    names.reduce((pipeline, key) => pipeline.get(key), connection.client.pipeline()).exec();

  it('a pipeline finds every key, moved or not, and keys of other slots beside them', async () => {
    for (let round = 0; round < 5; round++) {
      const names = [...keys, ...elsewhere];
      expect(await readAll(names)).toEqual(names.map((key) => [null, `value of ${key}`]));
    }
  });

  it('concurrent single reads find every key', async () => {
    const values = await Promise.all(keys.map((key) => connection.client.get(key)));

    expect(values).toEqual(keys.map((key) => `value of ${key}`));
  });

  it('a pipeline of writes writes each key once, and reads see it', async () => {
    const counters = Array.from({ length: 10 }, (_, index) => `{moving}:counter:${index}`);
    await Promise.all(counters.slice(0, 5).map((key) => connection.client.incr(key)));

    const writes = counters.reduce((pipeline, key) => pipeline.incr(key), connection.client.pipeline());
    expect(await writes.exec()).toEqual(counters.map((_, index) => [null, index < 5 ? 2 : 1]));

    const reads = await readAll(counters);
    expect(reads).toEqual(counters.map((_, index) => [null, index < 5 ? '2' : '1']));
  });

  it('a command that ran out of time on its way leaves no ASKING behind for the next one', async () => {
    const hits = await Promise.all(
      Array.from({ length: 200 }, (_, call) =>
        connection.call('get', [keys[call % keys.length]!], { timeoutMs: 1 + (call % 3) }).catch(() => 'late'),
      ),
    );
    expect(hits.every((value, call) => value === 'late' || value === `value of ${keys[call % keys.length]}`)).toBe(
      true,
    );

    expect(await readAll(keys)).toEqual(keys.map((key) => [null, `value of ${key}`]));
  });

  it('everything is found after the migration, too', async () => {
    await migration.finish();

    const names = [...keys, ...elsewhere];
    expect(await readAll(names)).toEqual(names.map((key) => [null, `value of ${key}`]));
  });
});
