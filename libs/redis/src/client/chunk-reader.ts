import type { OnReadOpts, Socket } from 'node:net';

// As much as Node itself asks for at once.
const MOST_BYTES = 64 * 1_024;

/**
 * Reads for one socket into one buffer, and hands out copies of the size of what has come. Left to itself Node allocates 64 KB for
 * each read and gives most of it back, which is the dearest part of a small reply.
 */
export class ChunkReader {
  #socket: Socket | undefined;

  /** To be given to `connect`. */
  readonly onread: OnReadOpts = {
    buffer: Buffer.allocUnsafeSlow(MOST_BYTES),
    callback: (size, buffer) => {
      const chunk = Buffer.allocUnsafe(size);
      (buffer as Buffer).copy(chunk, 0, 0, size);
      this.#socket?.emit('data', chunk);
      return true;
    },
  };

  /** Says whose buffer it is; before anything can have come. */
  attach(socket: Socket): Socket {
    this.#socket = socket;
    return socket;
  }
}
