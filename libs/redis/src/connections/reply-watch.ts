import type { Socket } from 'node:net';
import { Cluster, type Redis } from 'ioredis';

/** Returns a function that asks for `onReply` to be called at the next byte from any server of the client, once. */
export function watchForReply(client: Redis | Cluster, onReply: () => void): () => void {
  const watched = new WeakSet<Socket>();
  return () => {
    const nodes = client instanceof Cluster ? client.nodes('all') : [client];
    for (const { stream } of nodes) {
      if (!stream || watched.has(stream)) continue;
      watched.add(stream);
      stream.once('data', () => {
        watched.delete(stream);
        onReply();
      });
    }
  };
}
