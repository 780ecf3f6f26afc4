import type { NewsMessage } from './news-message.js';

/** Is told, in this order: `armed`, then messages, then `gap`, then `armed` and so on. */
export interface NewsListener {
  told(message: NewsMessage): void;
  /** From now on no message is missed. */
  armed(): void;
  /** Messages may be missed from now on, until `armed`. */
  gap(): void;
}

/**
 * What the processes of a namespace tell each other at once. Invariant: while `alive`, all that any process has published more
 * than two seconds ago has been told, and usually all that was published more than some milliseconds ago.
 */
export interface LimitNews {
  readonly alive: boolean;
  /**
   * Tells all processes, and this one before it settles, even if it rejects.
   *
   * @throws RedisUnreachableError, RedisTimeoutError, or the error that the server replied with
   */
  publish(message: NewsMessage): Promise<void>;
  /** Tells this process only: at once what a script has published, which comes a moment later by itself. */
  tell(message: NewsMessage): void;
  /** The returned function ends it. A listener that comes while it is alive is told so. */
  on(listener: NewsListener): () => void;
  close(): void;
}
