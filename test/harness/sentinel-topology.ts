import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ReplyError } from 'ioredis';
import { addressOf, type Address } from '#harness/address';
import { eventually } from '#harness/eventually';
import { RedisServer, type ServerPlace, type ServerRecipe } from '#harness/redis-server';
import { fieldsOf, infoOf, listOf } from '#harness/replies';
import { dataServerArgs } from '#harness/standalone';

const masterName = 'nuthatch';
const replicaCount = 2;
const sentinelCount = 3;

/** One master, two replicas and the three Sentinels that watch them. */
export class SentinelTopology {
  /** The name of the master that clients ask Sentinels for. */
  readonly name = masterName;
  readonly sentinels: RedisServer[];
  /** The three with data, whoever is master now. */
  readonly servers: RedisServer[];

  /** Returns once the topology is healthy. */
  static async start(): Promise<SentinelTopology> {
    const started: RedisServer[] = [];
    const launch = async (recipe: ServerRecipe): Promise<RedisServer> => {
      const server = await RedisServer.launch(recipe);
      started.push(server);
      return server;
    };
    try {
      const master = await launch({ args: dataServerArgs });
      const replicaArgs = (place: ServerPlace): string[] => [
        ...dataServerArgs(place),
        '--replicaof',
        master.host,
        String(master.port),
      ];
      const replicas = await Promise.all(Array.from({ length: replicaCount }, () => launch({ args: replicaArgs })));
      await eventually('both replicas are linked', async () => (await linkedReplicas(master)) === replicaCount);
      const sentinelArgs = (place: ServerPlace): string[] => [writeSentinelConfig(place, master), '--sentinel'];
      const sentinels = await Promise.all(
        Array.from({ length: sentinelCount }, () => launch({ args: sentinelArgs, onStart: hurry })),
      );
      const topology = new SentinelTopology([master, ...replicas], sentinels);
      await topology.untilHealthy();
      return topology;
    } catch (error) {
      await Promise.all(started.map((server) => server.stop()));
      throw error;
    }
  }

  private constructor(servers: RedisServer[], sentinels: RedisServer[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  get sentinelAddresses(): Address[] {
    return this.sentinels.map(addressOf);
  }

  /** The master on which all running Sentinels agree; waits until they do. It may be dead or paused. */
  master(): Promise<RedisServer> {
    return eventually('the Sentinels agree on a master', () => this.#agreedMaster());
  }

  /** Every data server that is not the master, dead or paused ones included. */
  async replicas(): Promise<RedisServer[]> {
    const master = await this.master();
    return this.servers.filter((server) => server !== master);
  }

  /** `SENTINEL FAILOVER`; returns when all Sentinels agree on the new master. */
  async failover(): Promise<void> {
    const old = await this.master();
    const [sentinel] = this.sentinels.filter(({ running }) => running);
    if (sentinel === undefined) throw new Error('No Sentinel is running. Call resume() or restart() on one.');
    // Refused while an earlier failover ends (INPROG) or the replicas are not known to be linked (NOGOODSLAVE).
    await eventually('a Sentinel accepts the failover', () => sentinel.call('SENTINEL', 'FAILOVER', this.name));
    await this.waitForNewMaster(old);
  }

  /** Waits until the Sentinels agree on a running master other than `old`, and that one takes writes. */
  waitForNewMaster(old: RedisServer): Promise<RedisServer> {
    return eventually(`the Sentinels agree on another master than port ${old.port}`, async () => {
      const master = await this.#agreedMaster();
      return master !== undefined && master !== old && (await roleOf(master)) === 'master' && master;
    });
  }

  /** Waits until both replicas are linked to the agreed master and each Sentinel knows both and its two peers. */
  async untilHealthy(): Promise<void> {
    await eventually('the Sentinel topology is healthy', async () => {
      const master = await this.#agreedMaster();
      if (master === undefined) throw new Error('the Sentinels do not agree on the master');
      if ((await roleOf(master)) !== 'master') throw new Error(`port ${master.port} is not a master`);
      const linked = await linkedReplicas(master);
      if (linked !== replicaCount) throw new Error(`${linked} of ${replicaCount} replicas are linked`);
      await Promise.all(this.sentinels.map((sentinel) => this.#assertComplete(sentinel)));
      return true;
    });
  }

  /** Stops all six servers. */
  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async #agreedMaster(): Promise<RedisServer | undefined> {
    const asked = this.sentinels.filter(({ running }) => running);
    const addresses = await Promise.all(asked.map((one) => one.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name)));
    const ports = new Set(addresses.map((address) => Number(listOf(address)[1])));
    return ports.size === 1 ? this.servers.find(({ port }) => ports.has(port)) : undefined;
  }

  async #assertComplete(sentinel: RedisServer): Promise<void> {
    const complain = (what: string): never => {
      throw new Error(`Sentinel ${sentinel.port} ${what}`);
    };
    const { flags, ['num-other-sentinels']: peers } = fieldsOf(await sentinel.call('SENTINEL', 'MASTER', this.name));
    if (flags !== 'master') complain(`sees the master as ${flags}`);
    if (Number(peers) !== sentinelCount - 1) complain(`knows ${peers} of its ${sentinelCount - 1} peers`);
    const replicas = listOf(await sentinel.call('SENTINEL', 'REPLICAS', this.name)).map(fieldsOf);
    const ready = replicas.filter((replica) => replica['flags'] === 'slave' && replica['master-link-status'] === 'ok');
    if (ready.length !== replicaCount) complain(`sees ${ready.length} of ${replicaCount} replicas linked`);
  }
}

/** Starts 1 master, 2 replicas and 3 Sentinels. */
export function startSentinel(): Promise<SentinelTopology> {
  return SentinelTopology.start();
}

function writeSentinelConfig({ port, directory }: ServerPlace, master: RedisServer): string {
  const file = path.join(directory, 'sentinel.conf');
  const monitor = [
    `sentinel monitor ${masterName} ${master.host} ${master.port} 2`,
    `sentinel down-after-milliseconds ${masterName} 1000`,
    `sentinel failover-timeout ${masterName} 2000`,
    `sentinel parallel-syncs ${masterName} ${replicaCount}`,
  ];
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`, ...monitor, ''].join('\n'));
  return file;
}

/** Sentinels look at their servers every 10 s and greet each other every 2 s by default, too slow for a test. */
async function hurry(sentinel: RedisServer): Promise<void> {
  const periods = { 'INFO-PERIOD': 300, 'PUBLISH-PERIOD': 300, 'PING-PERIOD': 300, 'TILT-PERIOD': 3_000 };
  try {
    await sentinel.call('SENTINEL', 'DEBUG', ...Object.entries(periods).flat());
  } catch (error) {
    // Redis 6 has no SENTINEL DEBUG: its topologies work too, and take some seconds longer.
    if (!(error instanceof ReplyError)) throw error;
  }
}

async function roleOf(server: RedisServer): Promise<string> {
  return String(listOf(await server.call('ROLE'))[0]);
}

async function linkedReplicas(master: RedisServer): Promise<number> {
  const info = infoOf(await master.call('INFO', 'replication'));
  return Object.entries(info).filter(([name, value]) => /^slave\d+$/.test(name) && value.includes('state=online'))
    .length;
}
