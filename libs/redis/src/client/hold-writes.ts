import type { Socket } from 'node:net';

// Beyond this a longer string costs more than another system call saves.
const HOLD_AT_MOST = 64 * 1_024;

/**
 * Makes all that is written to the socket in one tick leave in one system call. Commands of concurrent callers so reach
 * Redis together, which costs Redis one read and one write for all of them; a lone command leaves just as soon as before.
 * Text is joined rather than corked: one string of many commands is written in half the time of a list of strings.
 *
 * @param socket one that is connecting or connected: `connect()` puts the write of its class back
 */
export function holdWrites(socket: Socket): Socket {
  const { write, end } = socket;
  let held = '';
  let scheduled = false;

  const flush = (): void => {
    if (held === '') return;
    const text = held;
    held = '';
    if (socket.writable) write.call(socket, text);
  };
  const release = (): void => {
    scheduled = false;
    flush();
  };
  socket.write = function (...args: Parameters<Socket['write']>): boolean {
    const [chunk] = args;
    if (typeof chunk !== 'string' || args.length > 1) {
      flush();
      return write.apply(socket, args);
    }
    held += chunk;
    if (held.length > HOLD_AT_MOST) flush();
    else if (!scheduled) {
      scheduled = true;
      process.nextTick(release);
    }
    return true;
  } as Socket['write'];
  socket.end = function (...args: Parameters<Socket['end']>): Socket {
    flush();
    return end.apply(socket, args);
  } as Socket['end'];
  return socket;
}
