export type { Address } from '#harness/address';
export { startCluster, ClusterTopology } from '#harness/cluster-topology';
export { eventually } from '#harness/eventually';
export { RedisServer, type CommandStat, type TlsFiles } from '#harness/redis-server';
export { startSentinel, SentinelTopology } from '#harness/sentinel-topology';
export { sharedTopologies, type SharedTopologies } from '#harness/shared-topologies';
export { SlotMigration } from '#harness/slot-migration';
export { startStandalone, type StandaloneOptions } from '#harness/standalone';
export { startProxy, TcpProxy } from '#harness/tcp-proxy';
