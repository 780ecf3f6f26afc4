import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
// Imported, so that a spec with fake global timers does not hold up its proxy.
import { clearTimeout, setTimeout } from 'node:timers';
import type { Address } from '#harness/address';
import { RespFraming } from '#harness/resp-framing';

/** Which way bytes go: `requests` to the server, `replies` and whatever else it says to the client. */
export type Direction = 'requests' | 'replies';

/** What a proxy does to its connections now; all of them share one. */
export interface ForwardingRules {
  delayMs: number;
  blackholed: readonly Direction[];
  /** Replies until the one to swallow, that one included. */
  repliesUntilDrop: number | undefined;
}

interface HeldAct {
  readonly dueAt: number;
  readonly act: () => void;
  readonly timer: NodeJS.Timeout;
}

export const bothWays: readonly Direction[] = ['requests', 'replies'];

// A reset may overtake bytes that the client has not read yet, and the replies before the dropped one must arrive.
const resetAfterMs = 10;

/** A client and, unless it is kept in silence, the connection to the server on its behalf. */
export class ProxiedConnection {
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #rules: ForwardingRules;
  readonly #onClosed: () => void;
  readonly #framing = new RespFraming();
  /** The pieces of a reply of which the end has not come yet. */
  #unfinished: Buffer[] = [];
  #held: HeldAct[] = [];
  /** The directions that have lost bytes: such a stream has a hole, so it is of no more use. */
  readonly #deaf: Set<Direction>;

  /** @param target - none: the client is accepted, and nobody ever answers it */
  constructor(client: Socket, rules: ForwardingRules, target: Address | undefined, onClosed: () => void) {
    this.#client = client;
    this.#rules = rules;
    this.#onClosed = onClosed;
    this.#deaf = new Set(target === undefined ? bothWays : []);
    this.#server = target === undefined ? undefined : connect({ host: target.host, port: target.port, noDelay: true });
    client.setNoDelay(true);
    client.on('data', (bytes: Buffer) => this.#fromClient(bytes));
    client.on('close', (failed) => this.#clientClosed(failed));
    this.#server?.on('data', (bytes: Buffer) => this.#fromServer(bytes));
    this.#server?.on('close', (failed) => this.#serverClosed(failed));
    // 'close' follows with the same news, and without a listener an error would end the process.
    for (const socket of [client, this.#server]) socket?.unref().on('error', () => undefined);
  }

  get open(): boolean {
    return !this.#client.destroyed;
  }

  /** Ends both sides with RST. */
  reset(): void {
    this.#deafen();
    this.#takeHeld();
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
  }

  /** Goes on as before if nothing was lost, and resets otherwise. Held replies go out at once. */
  heal(): void {
    if (this.#deaf.size > 0) return this.reset();
    for (const { act } of this.#takeHeld()) act();
  }

  #fromClient(bytes: Buffer): void {
    if (!this.#lost('requests')) this.#server?.write(bytes);
  }

  #fromServer(bytes: Buffer): void {
    if (this.#lost('replies')) return;
    let start = 0;
    for (const { end, isReply } of this.#framing.push(bytes)) {
      const reply = [...this.#unfinished.splice(0), bytes.subarray(start, end)];
      start = end;
      if (isReply && this.#isToBeDropped()) return this.#drop();
      this.#toClient(reply);
    }
    if (start < bytes.length) this.#unfinished.push(bytes.subarray(start));
    if (this.#framing.foreign) this.#toClient(this.#unfinished.splice(0));
  }

  #isToBeDropped(): boolean {
    if (this.#rules.repliesUntilDrop === undefined) return false;
    this.#rules.repliesUntilDrop -= 1;
    if (this.#rules.repliesUntilDrop > 0) return false;
    this.#rules.repliesUntilDrop = undefined;
    return true;
  }

  #drop(): void {
    this.#deafen();
    this.#inOrder(() => setTimeout(() => this.reset(), resetAfterMs));
  }

  #toClient(pieces: readonly Buffer[]): void {
    this.#inOrder(() => this.#client.write(Buffer.concat(pieces)));
  }

  #clientClosed(failed: boolean): void {
    if (!this.#lost('requests')) {
      if (failed) this.#server?.resetAndDestroy();
      else this.#server?.destroySoon();
    }
    if (this.#server?.destroyed !== false) this.#onClosed();
  }

  #serverClosed(failed: boolean): void {
    if (!this.#lost('replies'))
      this.#inOrder(() => (failed ? this.#client.resetAndDestroy() : this.#client.destroySoon()));
    if (this.#client.destroyed) this.#onClosed();
  }

  /** Runs after the delay, and never before what was delayed earlier. */
  #inOrder(act: () => void): void {
    const now = performance.now();
    const dueAt = Math.max(now + this.#rules.delayMs, this.#held.at(-1)?.dueAt ?? 0);
    if (this.#rules.delayMs === 0 && this.#held.length === 0) return act();
    // Timers of different lengths may fire out of order: each runs the oldest act, not its own.
    const timer = setTimeout(() => this.#held.shift()?.act(), dueAt - now);
    this.#held.push({ dueAt, act, timer });
  }

  #takeHeld(): HeldAct[] {
    const held = this.#held.splice(0);
    for (const { timer } of held) clearTimeout(timer);
    return held;
  }

  #lost(direction: Direction): boolean {
    if (this.#rules.blackholed.includes(direction)) this.#deaf.add(direction);
    return this.#deaf.has(direction);
  }

  #deafen(): void {
    for (const direction of bothWays) this.#deaf.add(direction);
  }
}
