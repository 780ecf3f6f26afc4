// Jest loads this file with Node's own resolution, where './x.js' does not find './x.ts': hence '#harness/' (package.json).
import { ensureRedisBinary } from '#harness/redis-binary';
import { startSharedTopologies } from '#harness/shared-topologies';

/** Finds or installs Redis, and starts the shared topologies before the first spec. */
export default async function globalSetup(): Promise<void> {
  ensureRedisBinary();
  await startSharedTopologies();
}
