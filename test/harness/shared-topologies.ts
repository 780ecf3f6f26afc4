import { addressOf, type Address } from '#harness/address';
import { startCluster } from '#harness/cluster-topology';
import { startSentinel } from '#harness/sentinel-topology';
import { startStandalone } from '#harness/standalone';

/** The servers that all specs of a Jest run share. Keep to a namespace of your own, and do them no harm. */
export interface SharedTopologies {
  readonly standalone: Address & { readonly url: string };
  readonly sentinel: { readonly name: string; readonly sentinels: Address[] };
  readonly cluster: { readonly nodes: Address[] };
}

const variable = 'NUTHATCH_SHARED_TOPOLOGIES';

// Set-up and teardown run in the same process and load this module once.
let running: { stop(): Promise<void> }[] = [];

/** What the global set-up of this Jest run has started. @throws outside the `redis` project. */
export function sharedTopologies(): SharedTopologies {
  const published = process.env[variable];
  if (published !== undefined) return JSON.parse(published) as SharedTopologies;
  throw new Error(
    `No shared Redis topologies: ${variable} is not set. Specs that need them go below test/ or apps/*/test/ ` +
      'and run with: node tools/jest.mjs <pattern> --selectProjects redis',
  );
}

/** Starts all three and publishes their addresses to the Jest workers, which inherit the environment. */
export async function startSharedTopologies(): Promise<void> {
  const outcomes = await Promise.allSettled([startStandalone(), startSentinel(), startCluster()] as const);
  running = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const [standalone, sentinel, cluster] = outcomes;
  if (standalone.status === 'rejected') return abandon(standalone.reason);
  if (sentinel.status === 'rejected') return abandon(sentinel.reason);
  if (cluster.status === 'rejected') return abandon(cluster.reason);
  const shared: SharedTopologies = {
    standalone: { ...addressOf(standalone.value), url: standalone.value.url },
    sentinel: { name: sentinel.value.name, sentinels: sentinel.value.sentinelAddresses },
    cluster: { nodes: cluster.value.addresses },
  };
  process.env[variable] = JSON.stringify(shared);
}

/** Stops what the set-up has started. */
export async function stopSharedTopologies(): Promise<void> {
  delete process.env[variable];
  await Promise.all(running.splice(0).map((topology) => topology.stop()));
}

async function abandon(reason: unknown): Promise<never> {
  await stopSharedTopologies();
  throw reason;
}
