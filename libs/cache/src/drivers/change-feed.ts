/**
 * Tells this process which keys have changed in the store, whoever changed them.
 *
 * Invariant: from `armed` to the next `gap`, every change is reported, at the latest by the time that a dead line takes
 * to be found. After a `gap` anything may have changed unseen, until the feed is armed again.
 */
export interface ChangeFeed {
  /** Whether every change is being reported. */
  readonly armed: boolean;

  /**
   * Whether it knows only of changes that were announced. Those by other programs, by expiry and by eviction are not, nor
   * are those of a process that died between its change and the announcement.
   */
  readonly announces: boolean;

  /** Returns the function that ends it. */
  on(listener: ChangeListener): () => void;

  /**
   * Tells the other processes that these keys have changed. Need not be called where the server tells them by itself.
   *
   * @throws RedisUnreachableError, RedisTimeoutError
   */
  announce(keys: readonly string[]): Promise<void>;

  close(): void;
}

export interface ChangeListener {
  /** These keys have changed; null: any may have. */
  changed(keys: readonly string[] | null): void;
  armed(): void;
  gap(): void;
}
