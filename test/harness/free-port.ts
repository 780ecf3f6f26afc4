import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ephemeral range of Linux (32768) and macOS (49152), bus port included. Inside that range an outgoing connection
// may take the port of a server that a spec has killed, and a client that redials it may connect to itself.
const lowest = 12_000;
const highest = 22_000;
const busOffset = 10_000;

/**
 * A loopback port that nobody listens on. It is not reserved: whoever binds it retries with another one on EADDRINUSE.
 *
 * @param withClusterBus - also asks that `port + 10000`, the Cluster bus, is free. `@default false`
 */
export async function freePort(withClusterBus = false): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(lowest, highest);
    if ((await isFree(port)) && (!withClusterBus || (await isFree(port + busOffset)))) return port;
  }
  throw new Error(`No free port found on 127.0.0.1 in ${lowest}-${highest} after 100 tries. Stop what listens there.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
