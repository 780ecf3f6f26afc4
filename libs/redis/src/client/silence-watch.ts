import type { Redis } from 'ioredis';
import { DEADLINE, TIMEOUT, type GuardedCommand } from './guarded-command.js';

const LOOKS = 8;
// The most that a timer of Node can wait; it fires at once when asked for more.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Destroys the socket of a client that has sent something and has received not a byte for `silenceMs`: a hung server, a
 * half-open link, or a load balancer that accepts and never answers. ioredis then reconnects, which no timeout of a
 * single command makes it do. Covers the handshake, too. Costs one timer per client and nothing per command.
 */
export function watchSilence(redis: Redis, silenceMs: number): void {
  let timer: NodeJS.Timeout | undefined;
  let bytesRead = -1;
  let silentLooks = 0;

  const stop = (): void => clearInterval(timer);
  // Silence is counted in looks, not read off a clock: while this process stands still nobody looks.
  const look = (): void => {
    const { stream } = redis;
    const first = redis.commandQueue.peekFront()?.command as GuardedCommand | undefined;
    // A call that was given more time than that may be silent for as long as it was given.
    const patient = first !== undefined && (first[TIMEOUT] ?? 0) > silenceMs && first[DEADLINE]! > performance.now();
    const waiting = first !== undefined && !patient;
    const silent = waiting && stream.bytesRead === bytesRead;
    // The first look at a wait only notes where it began: an idle link that gets a command has not been silent.
    bytesRead = waiting ? stream.bytesRead : -1;
    silentLooks = silent ? silentLooks + 1 : 0;
    if (silentLooks < LOOKS) return;
    stop();
    stream.destroy(new Error(`The server sent nothing for ${silenceMs}ms while a reply was due.`));
  };

  redis.on('connect', () => {
    stop();
    bytesRead = -1;
    silentLooks = 0;
    timer = setInterval(look, Math.min(Math.ceil(silenceMs / LOOKS), LONGEST_TIMER_MS)).unref();
  });
  redis.on('close', stop);
  redis.on('end', stop);
}
