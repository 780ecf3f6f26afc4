import type { Duration } from '@nuthatch/redis';
import { parseDuration } from '@nuthatch/redis/internal';
import { CacheOptionsError } from '../cache.errors.js';
import { checkTags } from '../tags/tag.js';

/** What a loader is given, and what it can say about its value. */
export interface LoadContext<T = unknown> {
  /** The key that is loaded, as Redis knows it. */
  readonly key: string;
  /** Aborts at `hardTimeout`, and when the application shuts down. */
  readonly signal: AbortSignal;
  /** The value before, when it is still kept. */
  readonly stale?: { readonly value: T; readonly storedAt: Date } | undefined;
  /** Sets how long this value is fresh. */
  ttl(ttl: Duration): void;
  /** Adds tags to this value. */
  tag(...tags: string[]): void;
  /** Ends the load without a value: callers get `undefined`, or the earlier value within its grace; nothing is stored. */
  skip(): never;
  /** Gives the callers what the loader returns, and stores nothing. */
  noStore(): void;
  /** The value before, which is fresh again: `return context.notModified()`. @throws CacheOptionsError when there is none */
  notModified(): T;
}

/** Thrown by `skip()`, to get out of the loader. */
export const SKIPPED = Symbol('skipped');

/** The context of one load. */
export class LoadNotes implements LoadContext {
  readonly #abort = new AbortController();
  readonly tags: Set<string>;
  ttlMs: number | undefined;
  stores = true;

  constructor(
    readonly key: string,
    tags: readonly string[],
    readonly stale: { readonly value: unknown; readonly storedAt: Date } | undefined,
  ) {
    this.tags = new Set(tags);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  ttl(ttl: Duration): void {
    try {
      this.ttlMs = parseDuration(ttl, 'context.ttl()');
    } catch (error) {
      throw new CacheOptionsError([(error as Error).message]);
    }
  }

  tag(...tags: string[]): void {
    for (const tag of checkTags(tags)) this.tags.add(tag);
  }

  skip(): never {
    throw SKIPPED;
  }

  noStore(): void {
    this.stores = false;
  }

  notModified(): unknown {
    if (this.stale) return this.stale.value;
    throw new CacheOptionsError([
      `context.notModified() was called for "${this.key}", which has no earlier value. Look at context.stale first, and set "grace" to keep values beyond their ttl.`,
    ]);
  }
}
