/**
 * Values of which each remembers the highest fencing token that has been there.
 *
 * Invariants:
 * 1. A call that brings a lower token than one before it changes nothing. Tokens are compared in full, however long they are.
 * 2. A token is known for at least {@link FENCE_OUTLIVES_MS} longer than the value, also when that is deleted.
 * 3. Nothing is kept for ever.
 */
export interface FencedValues {
  set(key: string, token: bigint, text: string, ttlMs: number): Promise<Fenced<undefined>>;
  /** @param token that of who reads in order to write: from then on nobody before it writes */
  get(key: string, token?: bigint): Promise<Fenced<string | undefined>>;
  /** Resolves to whether there was a value. */
  delete(key: string, token: bigint): Promise<Fenced<boolean>>;
  /** @throws EmbeddedConnectionError where there is no server */
  run(key: string, token: bigint, script: FencedScript): Promise<Fenced<unknown>>;
}

/** `highest`: the token was refused because of that one. */
export type Fenced<T> =
  { readonly accepted: true; readonly result: T } | { readonly accepted: false; readonly highest: bigint };

export interface FencedScript {
  readonly lua: string;
  readonly keys: readonly string[];
  readonly args: readonly (string | number | Buffer)[];
}

/**
 * A holder that was late looked at its lock before it wrote, so this is how late a write may come that was under way by then.
 */
export const FENCE_OUTLIVES_MS = 86_400_000;
