import type { CacheModuleOptions } from '@nuthatch/cache';
import type { RedisConnectionOptions } from '@nuthatch/redis';

/** What a worker is started with. */
export interface WorkerSetup {
  readonly connection: RedisConnectionOptions;
  readonly cache: CacheModuleOptions;
  /** The URL of a Redis that plays the database. */
  readonly database: string;
}

/** How a loader comes to its result: at once, when the spec says so, or from the database. */
export type LoadPlan = LoadResult | { readonly held: number } | { readonly row: string };

export interface LoadResult {
  /** Of a load of many keys, what each of them gets after its name. */
  readonly value?: unknown;
  /** Added by `context.tag()`. */
  readonly tags?: readonly string[];
  readonly error?: string;
}

/** To a worker. */
export type Request =
  | { readonly id: number; readonly call: string; readonly args: readonly unknown[] }
  | { readonly finish: number; readonly result: LoadResult };

/** From a worker. */
export type Answer =
  | {
      readonly id: number;
      readonly value?: unknown;
      readonly error?: { readonly message: string; readonly code?: string };
    }
  | { readonly begun: number }
  | { readonly trouble: string };

/** How a writer tells the cache of a change: by a key, or by the tag that is the key. */
export type Telling = 'delete' | 'expire' | 'set' | 'invalidateTags';

/** By row, when each of its versions was last seen: {@link machineTime} when the reader began to read. */
export type Sightings = Map<string, Map<number, number>>;

/** By row, when the cache had been told of each of its versions. */
export type Tellings = Map<string, Map<number, number>>;

/** Milliseconds of the monotonic clock of the machine, the same in every process. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
