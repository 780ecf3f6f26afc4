import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, startSentinel, type ClusterTopology, type SentinelTopology } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, untilUp, uniqueKey } from './open-connection.js';
import { steadyLoad } from './steady-load.js';

const LOAD = 2_000;
const SLACK_MS = 400;

describe('a failover under a load of 2,000 calls a second', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);

  beforeAll(() => void process.on('unhandledRejection', note));
  afterAll(() => void process.off('unhandledRejection', note));
  afterEach(async () => {
    await closeConnections();
    expect(unhandled).toEqual([]);
  });

  describe('of a Sentinel group', () => {
    let topology: SentinelTopology;

    beforeAll(async () => {
      topology = await startSentinel();
    });
    afterAll(() => topology.stop());
    beforeEach(() => topology.untilHealthy());

    it.each(['killed', 'hung'] as const)(
      'goes on within two seconds of the election when the master is %s',
      async (fault) => {
        const { connection, logs } = await openConnection({
          mode: 'sentinel',
          name: topology.name,
          sentinels: topology.sentinelAddresses,
        });
        await untilUp(connection);
        const failovers: number[] = [];
        connection.on('failover', () => failovers.push(performance.now()));
        const load = steadyLoad(connection, LOAD);
        await sleep(500);

        const old = await topology.master();
        if (fault === 'killed') await old.kill();
        else old.pause();
        await topology.waitForNewMaster(old);
        const electedAt = performance.now();
        await untilUp(connection);
        await sleep(1_500);
        const report = await load.stop();

        expect(report.calls).toBeGreaterThan(4_000);
        expect(report.slowestMs).toBeLessThan(1_000 + SLACK_MS);
        expect(report.firstSuccessAfter - electedAt).toBeLessThan(2_000);
        expect(failovers).toHaveLength(1);
        expect(logs.filter((line) => line.includes('has failed over'))).toHaveLength(1);
        expect(new Set(report.errors.map((error) => (error as { code?: string } & Error).code))).not.toContain(
          undefined,
        );
        if (fault === 'killed') await old.restart();
        else old.resume();
      },
    );
  });

  describe('of a Cluster', () => {
    let topology: ClusterTopology;

    beforeAll(async () => {
      topology = await startCluster();
    });
    afterAll(() => topology.stop());
    beforeEach(() => topology.untilHealthy());

    it('gives no error to callers whose deadline is longer than the election when a master is killed', async () => {
      const { connection } = await openConnection({
        mode: 'cluster',
        nodes: topology.addresses,
        commandTimeout: '10s',
      });
      await untilUp(connection);
      const failover = new Promise<void>((resolve) => connection.on('failover', resolve));
      const load = steadyLoad(connection, LOAD);
      await sleep(500);

      const [old] = await topology.masters();
      await old!.kill();
      await failover;
      await sleep(1_000);
      const report = await load.stop();

      expect(report.errors).toEqual([]);
      expect(report.slowestMs).toBeLessThan(10_000);
      expect(report.calls).toBeGreaterThan(3_000);
      await old!.restart();
    });

    it('keeps callers to their shorter deadline meanwhile, and the other masters serve on', async () => {
      const { connection } = await openConnection({ mode: 'cluster', nodes: topology.addresses });
      await untilUp(connection);
      const failover = new Promise<void>((resolve) => connection.on('failover', resolve));
      const load = steadyLoad(connection, LOAD);
      await sleep(500);

      const [old] = await topology.masters();
      await old!.kill();
      await failover;
      const electedAt = performance.now();
      await sleep(2_500);
      const report = await load.stop();

      expect(report.slowestMs).toBeLessThan(1_000 + SLACK_MS);
      expect(report.firstSuccessAfter - electedAt).toBeLessThan(2_000);
      expect(report.errors.length).toBeLessThan(report.calls / 2);
      expect(connection.state).toBe('ready');
      await old!.restart();
    });

    it('never runs a command twice that a dying master may have run', async () => {
      const { connection } = await openConnection({
        mode: 'cluster',
        nodes: topology.addresses,
        commandTimeout: '10s',
      });
      await untilUp(connection);
      const keys = Array.from({ length: 60 }, (_, index) => uniqueKey(`once-${index}`));
      let acknowledged = 0;
      let unknown = 0;
      let running = true;
      const failover = new Promise<void>((resolve) => connection.on('failover', resolve));
      const workers = keys.map(async (key) => {
        let own = 0;
        for (; running;) {
          try {
            own = await connection.client.incr(key);
            acknowledged += 1;
          } catch (error) {
            expect(error).toMatchObject({ code: 'REDIS_UNREACHABLE', outcome: 'unknown' });
            unknown += 1;
          }
        }
        return own;
      });
      await sleep(300);

      const [old] = await topology.masters();
      await old!.kill();
      await failover;
      await sleep(300);
      running = false;
      await Promise.all(workers);

      // Asynchronous replication may lose increments at a failover, but nothing may be counted that nobody asked for.
      const total = (await Promise.all(keys.map((key) => connection.client.get(key)))).reduce(
        (sum, text) => sum + Number(text),
        0,
      );
      expect(total).toBeLessThanOrEqual(acknowledged + unknown);
      await old!.restart();
    });

    it('never sends a command again that a hung node may still run, but does so with one that only reads', async () => {
      const { connection } = await openConnection({
        mode: 'cluster',
        nodes: topology.addresses,
        commandTimeout: '10s',
        silenceTimeout: '300ms',
      });
      await untilUp(connection);
      const key = uniqueKey('hung');
      await connection.client.set(key, '1');
      const owner = await topology.ownerOf(key);

      // Both are in the buffer of the hung node when the link is given up; the node finds them there when it wakes.
      owner.pause();
      const write = outcomeOf(connection.client.incr(key));
      const read = outcomeOf(connection.client.get(key));
      expect((await write).error).toMatchObject({ code: 'REDIS_UNREACHABLE', outcome: 'unknown' });
      owner.resume();

      expect((await read).value).toMatch(/^[12]$/);
      await sleep(500);
      expect(await connection.client.get(key)).toBe('2');
    });

    it('does not run a command after the election whose caller has given up before', async () => {
      const { connection } = await openConnection({ mode: 'cluster', nodes: topology.addresses });
      await untilUp(connection);
      const key = uniqueKey('late');
      const failover = new Promise<void>((resolve) => connection.on('failover', resolve));
      const old = await topology.ownerOf(key);
      await old.kill();
      await sleep(50);

      const outcome = await outcomeOf(connection.call('incr', [key], { timeoutMs: 300 }));
      expect(outcome.error).toMatchObject({ code: 'REDIS_TIMEOUT', outcome: 'not-executed' });
      await failover;
      await sleep(1_000);

      expect(await connection.client.get(key)).toBeNull();
      await old.restart();
    });
  });
});
