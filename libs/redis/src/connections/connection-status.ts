import { EventEmitter } from 'node:events';
import type { Logger } from '@nestjs/common';
import type { ConnectionEvent, ConnectionState } from '../redis-connection.js';

/** The state of a connection: tells listeners of a change, and writes one log line for it. */
export class ConnectionStatus {
  #state: ConnectionState = 'connecting';
  readonly #events = new EventEmitter();

  constructor(
    private readonly name: string,
    private readonly description: string,
    private readonly logger: Pick<Logger, 'log' | 'warn'>,
  ) {
    this.#events.setMaxListeners(0);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  on(event: ConnectionEvent, listener: () => void): () => void {
    this.#events.on(event, listener);
    return () => this.#events.off(event, listener);
  }

  up(): void {
    if (!this.#change('ready')) return;
    this.logger.log(`Redis connection "${this.name}" is up (${this.description}).`);
    this.#events.emit('up');
  }

  down(reason: string): void {
    if (!this.#change('down')) return;
    this.logger.warn(`Redis connection "${this.name}" is down (${this.description}): ${reason} Reconnecting.`);
    this.#events.emit('down');
  }

  failover(detail: string): void {
    if (this.#state === 'closed') return;
    this.logger.warn(`Redis connection "${this.name}" has failed over: ${detail}`);
    this.#events.emit('failover');
  }

  closed(): void {
    this.#change('closed');
  }

  #change(next: ConnectionState): boolean {
    if (this.#state === next || this.#state === 'closed') return false;
    this.#state = next;
    return true;
  }
}
