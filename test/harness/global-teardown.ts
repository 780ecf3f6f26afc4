import { stopSharedTopologies } from '#harness/shared-topologies';

/** Stops the shared topologies after the last spec. */
export default async function globalTeardown(): Promise<void> {
  await stopSharedTopologies();
}
