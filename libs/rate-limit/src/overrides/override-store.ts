/** Where overrides live: a JSON text by the field that names what it is for. */
export interface OverrideStore {
  /**
   * All of them by their fields, or undefined if they are as they were.
   *
   * @throws RedisUnreachableError, RedisTimeoutError
   */
  read(): Promise<ReadonlyMap<string, string> | undefined>;
  /**
   * @param json without its end, see `encodeOverride`
   * @returns false if there are too many for one more of a single subject, and nothing was stored
   */
  set(field: string, json: string): Promise<boolean>;
  delete(field: string): Promise<void>;
}

/** How many overrides there may be before no more of single subjects are taken. */
export const MOST_OVERRIDES = 10_000;
