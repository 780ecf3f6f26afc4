import type { Socket } from 'node:net';

interface Referable {
  ref(): unknown;
  unref(): unknown;
}

/**
 * Decides whether the sockets of a connection keep the process alive. Until the application has started they do not, so
 * that a boot that fails elsewhere ends by itself; a command under way does, by the timer of its deadline.
 */
export class ProcessHold {
  #held = false;
  readonly #watched = new Set<Referable>();

  /** Lets the socket follow this hold until it closes. */
  watch(socket: Socket): Socket {
    this.#watched.add(socket);
    socket.once('close', () => this.#watched.delete(socket));
    if (!this.#held) socket.unref();
    return socket;
  }

  /** The same for a timer that brings a connection back; the next one takes its place. */
  follow(timer: NodeJS.Timeout | null | undefined): void {
    if (!this.#held) timer?.unref();
  }

  /** The same for the timer by which ioredis brings a client back. */
  followReconnect(client: object): void {
    this.follow((client as { reconnectTimeout?: NodeJS.Timeout | null }).reconnectTimeout);
  }

  /** From now on open sockets keep the process alive. */
  hold(): void {
    this.#held = true;
    for (const socket of this.#watched) socket.ref();
  }
}
