import type { Redis } from 'ioredis';

const PING_EVERY_MS = 3_000;
const RETRY_MS = 500;

/**
 * Looks after a client that mostly listens: see {@link keepConnected}. A PING every three seconds makes the silence watch
 * find a line that died without a word. Ends, and closes the client, by the function that is returned.
 */
export function tendLink(client: Redis): () => void {
  const close = keepConnected(client);
  const ping = setInterval(() => {
    if (client.status === 'ready')
      client.ping().catch(() => 'the silence watch closes the socket, which tells of itself');
  }, PING_EVERY_MS);
  ping.unref();
  return () => {
    clearInterval(ping);
    close();
  };
}

/**
 * Tells a client that gave up, because no server could be named to it, to try again. Ends, and closes the client, by the
 * function that is returned.
 */
export function keepConnected(client: Redis): () => void {
  let closed = false;
  client.on('end', () => {
    if (!closed) setTimeout(() => closed || connect(client), RETRY_MS).unref();
  });
  return () => {
    closed = true;
    client.disconnect();
  };
}

/** Gives up a connection, unless there is another by now. */
export function reconnect(client: Redis, stream: Redis['stream']): void {
  if (client.status === 'ready' && client.stream === stream) client.disconnect(true);
}

/** Connects a client that is idle or has given up. */
export function connect(client: Redis): void {
  if (client.status === 'wait' || client.status === 'end') client.connect().catch(() => 'told by the next "end"');
}
