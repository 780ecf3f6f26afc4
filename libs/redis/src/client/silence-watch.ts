import type { Redis } from 'ioredis';

/**
 * Destroys the socket of a client that has sent something and has received not a byte for `silenceMs`: a hung server, a
 * half-open link, or a load balancer that accepts and never answers. ioredis then reconnects, which no timeout of a
 * single command makes it do. Covers the handshake, too. Costs one timer per client and nothing per
 * command. `Infinity` is for clients whose commands wait on the server.
 */
export function watchSilence(redis: Redis, silenceMs: number): void {
  if (silenceMs === Infinity) return;
  let timer: NodeJS.Timeout | undefined;
  let bytesRead = -1;
  let silentSince = 0;

  const stop = (): void => clearInterval(timer);
  const look = (): void => {
    const { stream } = redis;
    const waiting = redis.commandQueue.length > 0;
    if (!waiting || stream.bytesRead !== bytesRead) {
      // Counting starts when the wait is first seen: an idle link that gets a command now has not been silent.
      bytesRead = waiting ? stream.bytesRead : -1;
      silentSince = performance.now();
    } else if (performance.now() - silentSince >= silenceMs) {
      stream.destroy(new Error(`The server sent nothing for ${silenceMs}ms while a reply was due.`));
    }
  };

  redis.on('connect', () => {
    stop();
    bytesRead = -1;
    look();
    timer = setInterval(look, Math.max(10, silenceMs / 8));
    timer.unref();
  });
  redis.on('close', stop);
  redis.on('end', stop);
}
