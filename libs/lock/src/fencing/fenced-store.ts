import { jsonCodec, type Duration, type RedisConnection } from '@nuthatch/redis';
import { joinKey, OptionsReader, ServerConnection, slotOf } from '@nuthatch/redis/internal';
import { LengthsReader } from '../lengths-reader.js';
import { lockKey } from '../lock-key.js';
import { LockCallError } from '../lock.errors.js';
import type { Lock } from '../lock.js';
import { quote } from '../quote.js';
import { FencedWriteRejectedError } from './fenced-write-rejected.error.js';
import type { Fenced, FencedValues } from './fenced-values.js';
import { MemoryFencedValues } from './memory-fenced-values.js';
import { RedisFencedValues } from './redis-fenced-values.js';

/** What a call of {@link FencedStore.set} may say. */
export interface FencedSetOptions {
  /** How long the value is kept, `'36500d'` at most. @default '1d' */
  readonly ttl?: Duration;
}

/** What a script of {@link FencedStore.run} is given. */
export interface FencedScriptOptions {
  /** What it is given as `KEYS`; the fence belongs to the first. On a Cluster all of them must share a hash tag. */
  readonly keys: readonly string[];
  /** What it is given as `ARGV`. */
  readonly args?: readonly (string | number | Buffer)[];
}

const DEFAULT_TTL_MS = 86_400_000;
const LONGEST_TTL_MS = 36_500 * DEFAULT_TTL_MS;

/**
 * Values that only the latest holder of a lock can change. A holder who has lost it without knowing is refused by the
 * fencing token, however late the write arrives. Write a key under one and the same lock always: tokens of different locks
 * say nothing about each other, nor do those of a semaphore, which has several holders at a time.
 *
 * In Redis a key is `<namespace>:fenced:{<escaped key>}`, named as locks are, and is a hash: `value`, the JSON; `until`, when
 * that is over, in milliseconds since 1970; `fence`, the highest token so far in decimal digits, also after the value is
 * deleted. Other languages read it by `HMGET <key> value until`. It expires a day after the value is over.
 *
 * A write whose reply is lost is not sent again. Await each before the next: all writes of a holder have one token.
 */
export class FencedStore {
  readonly #values: FencedValues;
  readonly #root: string;

  /** @internal LockModule makes one, see {@link createFencedStore}. */
  constructor(values: FencedValues, root: string) {
    this.#values = values;
    this.#root = root;
  }

  /**
   * Stores a value that {@link jsonCodec} carries.
   *
   * @throws FencedWriteRejectedError when a later holder has been there: nothing is written. What `lock.assertHeld()` throws.
   *   CodecError for a value that JSON cannot carry. RedisUnreachableError, RedisTimeoutError: it may have been written.
   */
  async set(key: string, value: unknown, lock: Lock, options: FencedSetOptions = {}): Promise<void> {
    if (value === undefined) {
      throw new LockCallError(`The value for ${quote(key)} is undefined. Give null, or call delete().`);
    }
    const ttlMs = readTtl(options);
    const text = jsonCodec.encode(value);
    await this.#guarded(lock, key, this.#keyOf(key), (stored, token) => this.#values.set(stored, token, text, ttlMs));
  }

  /**
   * Reads a value; undefined if there is none. Give the lock when what is read decides what is written: from then on no
   * earlier holder can change it in between.
   *
   * @throws FencedWriteRejectedError when a lock is given, and a later holder has been there
   */
  async get<T>(key: string, lock?: Lock): Promise<T | undefined> {
    const stored = this.#keyOf(key);
    const text = lock
      ? await this.#guarded(lock, key, stored, (name, token) => this.#values.get(name, token))
      : resultOf(await this.#values.get(stored));
    return text === undefined ? undefined : (jsonCodec.decode(text) as T);
  }

  /**
   * Takes a value away, and keeps its fence: an earlier holder cannot bring it back. Resolves to whether there was one.
   *
   * @throws as {@link set}
   */
  async delete(key: string, lock: Lock): Promise<boolean> {
    return this.#guarded(lock, key, this.#keyOf(key), (stored, token) => this.#values.delete(stored, token));
  }

  /**
   * Runs a Lua script of yours, unless a later holder of the lock has run one on the same first key. It is written as if
   * there were no fence: `KEYS` and `ARGV` are what is given here, and what it returns is returned.
   *
   * Its fence is a key beside the first: `<namespace>:fenced:{<hash tag of that>}:<that, escaped>`. It expires after a day.
   *
   * @throws as {@link set}; EmbeddedConnectionError on an embedded connection
   * @example
   * await store.run(`return redis.call('DECRBY', KEYS[1], ARGV[1])`, { keys: ['stock:{42}'], args: [3] }, lock);
   */
  async run(lua: string, { keys, args = [] }: FencedScriptOptions, lock: Lock): Promise<unknown> {
    const [first] = keys;
    if (first === undefined)
      throw new LockCallError('A fenced script has no keys. Give at least the one that it writes.');
    return this.#guarded(lock, first, this.#fenceBeside(first), (fence, token) =>
      this.#values.run(fence, token, { lua, keys, args }),
    );
  }

  async #guarded<T>(
    lock: Lock,
    key: string,
    stored: string,
    call: (stored: string, token: bigint) => Promise<Fenced<T>>,
  ): Promise<T> {
    lock.assertHeld();
    const answer = await call(stored, lock.token);
    if (answer.accepted) return answer.result;
    throw new FencedWriteRejectedError({
      key: lock.key,
      token: lock.token,
      highest: answer.highest,
      target: `Key ${quote(key)} of the store`,
    });
  }

  #keyOf(key: string): string {
    return lockKey(this.#root, key);
  }

  #fenceBeside(key: string): string {
    const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
    const fence = `${this.#root}{${tag}}:${joinKey([key])}`;
    if (slotOf(fence) === slotOf(key)) return fence;
    throw new LockCallError(
      `No fence can stand beside the key ${quote(key)}: its braces are no hash tag. Write them as in "stock:{42}".`,
    );
  }
}

/** The store on a connection; in the memory of the process when that is embedded. */
export function createFencedStore(connection: RedisConnection, namespace: string): FencedStore {
  const values =
    connection instanceof ServerConnection
      ? new RedisFencedValues(connection)
      : new MemoryFencedValues(connection.name);
  return new FencedStore(values, `${joinKey([namespace, 'fenced'])}:`);
}

function readTtl(options: FencedSetOptions): number {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const ttlMs = new LengthsReader(reader, options, 'options', mistakes).read('ttl', DEFAULT_TTL_MS, LONGEST_TTL_MS);
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new LockCallError(mistakes.join(' '));
  return ttlMs;
}

/** Of a call that brings no token, and so is not refused. */
function resultOf<T>(answer: Fenced<T>): T | undefined {
  return answer.accepted ? answer.result : undefined;
}
