import { setTimeout as sleep } from 'node:timers/promises';
import {
  startCluster,
  startProxy,
  startSentinel,
  startStandalone,
  type RedisServer,
  type TcpProxy,
} from '../../harness/index.js';
import { Contention, type ContentionOptions, type ContentionReport } from './contention.js';
import {
  blackHole,
  deafening,
  droppingReplies,
  forcing,
  forgettingScripts,
  freezing,
  sufferings,
  torment,
  type Torment,
} from './faults.js';
import { losing } from './losing.js';
import { migrating } from './migrating.js';

export interface RunOptions {
  readonly seed: number;
  /** When the faults are over, it goes on in peace until there were so many grants, */
  readonly grants: number;
  /** or for so long. */
  readonly patienceMs: number;
}

const PROXIED = 2;
const RECOVERED_MS = 1_500;
// The root of the keys, see LockModule; a lock is in the slot of its name.
const ROOT = 'app:lock:';

/** One server, two of the processes behind proxies of their own, and all that can go wrong there. */
export async function runStandalone(options: RunOptions): Promise<ContentionReport> {
  const server = await startStandalone();
  const proxies: TcpProxy[] = [];
  try {
    for (let worker = 0; worker < PROXIED; worker++) proxies.push(await startProxy(server));
    const connectionOf: ContentionOptions['connectionOf'] = (worker) => {
      const { port } = proxies[worker] ?? server;
      return { mode: 'standalone', url: `redis://127.0.0.1:${port}` };
    };
    return await run({ seed: options.seed, connectionOf }, options, tormentsOf(server, proxies));
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await server.stop();
  }
}

/** Cluster: the slots of the locks move from master to master, half of it slowly; each lock is in a slot of its own. */
export async function runCluster(options: RunOptions): Promise<ContentionReport> {
  const cluster = await startCluster();
  try {
    const connectionOf = () => ({ mode: 'cluster' as const, nodes: cluster.addresses });
    const masters = await cluster.masters();
    const torments = [
      migrating(cluster, ROOT),
      migrating(cluster, ROOT),
      migrating(cluster, ROOT),
      ...sufferings.slice(-3),
      deafening(masters),
      forgettingScripts(masters),
    ];
    return await run({ seed: options.seed, connectionOf, workers: 4 }, options, torments);
  } finally {
    await cluster.stop();
  }
}

/** Sentinel: the master dies after its replicas have lost it, so that what it confirmed last is lost. */
export async function runSentinel(options: RunOptions): Promise<ContentionReport> {
  const sentinel = await startSentinel();
  try {
    const { name, sentinelAddresses } = sentinel;
    const connectionOf = () => ({ mode: 'sentinel' as const, name, sentinels: sentinelAddresses });
    const torments = [losing(sentinel), losing(sentinel)];
    return await run({ seed: options.seed, connectionOf, workers: 4, ttl: '2s' }, options, torments);
  } finally {
    await sentinel.stop();
  }
}

async function run(
  contending: ContentionOptions,
  { grants, patienceMs }: RunOptions,
  torments: readonly Torment[],
): Promise<ContentionReport> {
  const contention = await Contention.start(contending);
  try {
    await torment(contention, torments);
    await sleep(RECOVERED_MS);
    await contention.untilGrants(grants, patienceMs);
    return await contention.judge();
  } catch (error) {
    await contention.abandon();
    throw error;
  }
}

function tormentsOf(server: RedisServer, proxies: readonly TcpProxy[]): Torment[] {
  return [
    ...sufferings,
    freezing(server),
    freezing(server),
    deafening([server]),
    forgettingScripts([server]),
    forcing,
    ...proxies.flatMap((proxy, worker) => [droppingReplies(proxy, worker), blackHole(proxy, worker)]),
  ];
}
