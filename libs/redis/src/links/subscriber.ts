import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { reconnect, tendLink } from './tended-link.js';

const RETRY_MS = 500;

export type MessageListener = (message: Buffer, channel: string) => void;

/**
 * Classic subscriptions of one connection, over one client. Invariant: from the `gap` event to the next `resumed` event,
 * and only then, messages may have been missed. A link that died without a word is found by a PING every three seconds.
 */
export class Subscriber {
  readonly #events = new EventEmitter();
  readonly #channels = new EventEmitter();
  readonly #patterns = new EventEmitter();
  readonly close: () => void;
  #live = false;

  constructor(private readonly client: Redis) {
    for (const emitter of [this.#events, this.#channels, this.#patterns]) emitter.setMaxListeners(0);
    client.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      const name = channel.toString();
      this.#channels.emit(name, message, name);
    });
    client.on('pmessageBuffer', (pattern: string | Buffer, channel: Buffer, message: Buffer) => {
      this.#patterns.emit(pattern.toString(), message, channel.toString());
    });
    client.on('ready', () => void this.#resume());
    client.on('close', () => this.#lose());
    this.close = tendLink(client);
  }

  /** `gap`: messages may be missed from now on. `resumed`: every subscription is in place again. */
  on(event: 'gap' | 'resumed', listener: () => void): () => void {
    this.#events.on(event, listener);
    return () => this.#events.off(event, listener);
  }

  /**
   * Resolves when Redis has confirmed the subscription; the returned function ends it.
   *
   * @throws RedisUnreachableError or RedisTimeoutError; nothing is subscribed then.
   */
  subscribe(channel: string, listener: MessageListener): Promise<() => Promise<void>> {
    return this.#add(this.#channels, channel, listener, 'subscribe', 'unsubscribe');
  }

  /** The same for a glob pattern. */
  psubscribe(pattern: string, listener: MessageListener): Promise<() => Promise<void>> {
    return this.#add(this.#patterns, pattern, listener, 'psubscribe', 'punsubscribe');
  }

  async #add(
    emitter: EventEmitter,
    name: string,
    listener: MessageListener,
    enter: 'subscribe' | 'psubscribe',
    leave: 'unsubscribe' | 'punsubscribe',
  ): Promise<() => Promise<void>> {
    emitter.on(name, listener);
    try {
      await this.client[enter](name);
      this.#live = this.client.status === 'ready';
    } catch (error) {
      emitter.off(name, listener);
      throw error;
    }
    return async () => {
      emitter.off(name, listener);
      if (emitter.listenerCount(name) === 0 && this.client.status === 'ready') await this.client[leave](name);
    };
  }

  async #resume(): Promise<void> {
    const { stream } = this.client;
    const channels = this.#channels.eventNames() as string[];
    const patterns = this.#patterns.eventNames() as string[];
    try {
      if (channels.length > 0) await this.client.subscribe(...channels);
      if (patterns.length > 0) await this.client.psubscribe(...patterns);
    } catch {
      // Either the link died again, or it lives and was refused: in both cases the next connection tries once more.
      setTimeout(() => reconnect(this.client, stream), RETRY_MS).unref();
      return;
    }
    const interrupted = !this.#live;
    this.#live = true;
    if (interrupted) this.#events.emit('resumed');
  }

  #lose(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#events.emit('gap');
  }
}
