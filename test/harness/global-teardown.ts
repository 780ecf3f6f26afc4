import { setTimeout as sleep } from 'node:timers/promises';
import { stopSharedTopologies } from '#harness/shared-topologies';

const CLOSES_WITHIN_MS = 5_000;

/** Stops the shared topologies after the last spec, and says what is still open when the run is ended by force. */
export default async function globalTeardown(): Promise<void> {
  await stopSharedTopologies();
  const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
  const giveUpAt = performance.now() + CLOSES_WITHIN_MS;
  while (sockets() > 0 && performance.now() < giveUpAt) await sleep(50);
  if (sockets() > 0)
    console.error(`${sockets()} sockets are still open after the last spec: something was not closed.`);
}
