import { stopSharedTopologies } from '#harness/shared-topologies';

const ENDS_WITHIN_MS = 15_000;

/** Stops the shared topologies after the last spec, and ends a run that something still keeps alive. */
export default async function globalTeardown(): Promise<void> {
  await stopSharedTopologies();
  setTimeout(() => {
    console.error(
      `The run is over, and ended by force: still open are ${process.getActiveResourcesInfo().join(', ')}.`,
    );
    process.exit();
  }, ENDS_WITHIN_MS).unref();
}
