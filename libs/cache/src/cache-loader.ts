import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { ResolvedEntryOptions } from './cache.options.js';
import type { CacheDriver } from './drivers/cache-driver.js';
import { LoadBatch } from './load-batch.js';
import { LoadChain } from './load-chain.js';
import { settleAll } from './settle-all.js';
import { SingleFlight } from './single-flight.js';

// A load that takes longer keeps its result to its callers: nothing is stored.
const LEASE_MS = 30_000;

type Load = () => unknown;

/**
 * Reads entries as text and loads what is missing: one load per key in this process, none that waits for itself, and none
 * that is stored after its key was set or deleted.
 */
export class CacheLoader {
  readonly #flights = new SingleFlight<string | undefined>();
  readonly #chain = new LoadChain();
  /** With a count, the token of a lease; a UUID for each would cost more than the rest of a hit in process. */
  readonly #id = randomUUID();
  #loads = 0;
  readonly #logger = new Logger('Cache');
  readonly #reported = new Set<string>();

  constructor(
    private readonly driver: CacheDriver,
    private readonly encode: (name: string, value: unknown) => string,
  ) {}

  /** The text under the key, or what `load` returns, encoded and stored; undefined when it returns undefined. */
  async load(name: string, load: Load, entry: ResolvedEntryOptions, onRead?: () => void): Promise<string | undefined> {
    if (this.#flights.has(name)) {
      // A loader that waited for its own load, by way of whatever other loads, would wait for ever.
      const alone = this.#chain.closesAt(name) ? (async () => load())() : undefined;
      onRead?.();
      if (alone) return this.#encoded(name, await alone);
    }
    const flight = this.#flights.run(name, () => this.#readOrLoad(name, load, entry, onRead));
    return this.#chain.waiting(name, flight);
  }

  /** The same for many keys, of which the missing ones are loaded by one call. */
  loadMany(
    names: readonly string[],
    loadMissing: (missing: string[]) => Promise<ReadonlyMap<string, unknown>>,
    entry: ResolvedEntryOptions,
  ): Promise<(string | undefined)[]> {
    const batch = new LoadBatch(names, loadMissing);
    return settleAll(
      names.map((name) =>
        this.load(
          name,
          () => batch.valueFor(name),
          entry,
          () => batch.noteRead(),
        ),
      ),
    );
  }

  /** Whoever asks from now on does not get the result of a load that is under way. */
  forget(names: readonly string[]): void {
    for (const name of names) this.#flights.forget(name);
  }

  /** Asks Redis; undefined when it cannot be asked and the caller would rather go on without. */
  async read<R>(read: () => Promise<R>, { onOutage }: ResolvedEntryOptions): Promise<R | undefined> {
    try {
      return await read();
    } catch (error) {
      if (onOutage === 'load' && this.#isTroubleOfRedis(error)) return undefined;
      throw error;
    }
  }

  async #readOrLoad(
    name: string,
    load: Load,
    entry: ResolvedEntryOptions,
    onRead?: () => void,
  ): Promise<string | undefined> {
    const token = `${this.#id}:${++this.#loads}`;
    let read;
    try {
      read = await this.read(() => this.driver.getOrLease(name, token, LEASE_MS), entry);
    } catch (error) {
      onRead?.();
      throw error;
    }
    if (read?.state === 'hit') {
      onRead?.();
      return read.value;
    }
    const leased = read?.state === 'leased';
    // A loader that never returns must not take its key with it: who comes later loads again.
    const stuck = setTimeout(() => this.#flights.forget(name), LEASE_MS).unref();
    try {
      const loading = this.#chain.run(name, async () => load());
      onRead?.();
      const text = this.#encoded(name, await loading);
      if (leased) await this.#settleLease(name, token, text, entry.ttlMs);
      return text;
    } catch (error) {
      if (leased) await this.#settleLease(name, token, undefined, entry.ttlMs);
      throw error;
    } finally {
      clearTimeout(stuck);
    }
  }

  #encoded(name: string, value: unknown): string | undefined {
    return value === undefined ? undefined : this.encode(name, value);
  }

  /** The result is there already: a Redis that has gone away meanwhile must not take it from the caller. */
  async #settleLease(name: string, token: string, text: string | undefined, ttlMs: number): Promise<void> {
    try {
      if (text === undefined) await this.driver.abandon(name, token);
      else await this.driver.fill(name, token, text, ttlMs);
    } catch (error) {
      if (!this.#isTroubleOfRedis(error)) throw error;
    }
  }

  /** An error reply (a full server, missing permissions) is trouble that lasts, so each kind is reported once. */
  #isTroubleOfRedis(error: unknown): boolean {
    if (error instanceof RedisUnreachableError || error instanceof RedisTimeoutError) return true;
    if (!(error instanceof Error) || error.name !== 'ReplyError') return false;
    const kind = error.message.split(' ', 1)[0]!;
    if (!this.#reported.has(kind)) {
      this.#logger.warn(`Redis refuses what the cache asks for, so it caches less or nothing: ${error.message}`);
    }
    this.#reported.add(kind);
    return true;
  }
}
