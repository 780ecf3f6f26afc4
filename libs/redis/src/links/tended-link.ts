import type { Redis } from 'ioredis';

const PING_EVERY_MS = 3_000;
const RETRY_MS = 500;

/**
 * Looks after a client that mostly listens. A PING every three seconds makes the silence watch find a line that died
 * without a word; a client that gave up, because no server could be named to it, is told to try again. Ends, and closes
 * the client, by the function that is returned.
 */
export function tendLink(client: Redis): () => void {
  let closed = false;
  const ping = setInterval(() => {
    if (client.status === 'ready')
      client.ping().catch(() => 'the silence watch closes the socket, which tells of itself');
  }, PING_EVERY_MS);
  ping.unref();
  client.on('end', () => {
    if (!closed) setTimeout(() => closed || connect(client), RETRY_MS).unref();
  });
  return () => {
    closed = true;
    clearInterval(ping);
    client.disconnect();
  };
}

/** Connects a client that is idle or has given up. */
export function connect(client: Redis): void {
  if (client.status === 'wait' || client.status === 'end') client.connect().catch(() => 'told by the next "end"');
}
