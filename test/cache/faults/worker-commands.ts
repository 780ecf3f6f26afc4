import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheEntryOptions, CacheKey, CacheService, CacheStats, LoadContext } from '@nuthatch/cache';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { Redis } from 'ioredis';
import {
  machineTime,
  type LoadPlan,
  type LoadResult,
  type Sightings,
  type Telling,
  type Tellings,
} from './worker-messages.js';

/** How many callers of a burst got which value, and what the others were told. */
export interface BurstOutcome {
  readonly values: Map<unknown, number>;
  readonly errors: readonly string[];
}

/** What a spec can have a worker do. */
export class WorkerCommands {
  readonly #held = new Map<number, (result: LoadResult) => void>();
  readonly #results = new Map<number, LoadResult>();
  #runs = 0;
  #database: Redis | undefined;
  #going = false;
  #watching: Promise<Sightings> | undefined;
  #writing: Promise<{ tellings: Tellings; stale: string[] }> | undefined;

  constructor(
    private readonly cache: CacheService,
    private readonly connection: ServerConnection,
    private readonly databaseUrl: string,
    private readonly tellBegun: (load: number) => void,
  ) {}

  get(key: CacheKey): Promise<unknown> {
    return this.cache.get(key);
  }

  peek(key: CacheKey): unknown {
    return this.cache.peek(key);
  }

  has(key: CacheKey): Promise<boolean> {
    return this.cache.has(key);
  }

  getOrSet(key: CacheKey, plan: LoadPlan, options?: CacheEntryOptions): Promise<unknown> {
    return this.cache.getOrSet(key, (context) => this.#load(plan, context), options);
  }

  getOrSetMany(keys: CacheKey[], plan: LoadPlan, options?: CacheEntryOptions): Promise<Map<CacheKey, unknown>> {
    const load = async (missing: CacheKey[]): Promise<Map<CacheKey, unknown>> => {
      const value = await this.#load(plan);
      return new Map(missing.map((key) => [key, `${String(value)} ${String(key)}`]));
    };
    return this.cache.getOrSetMany(keys, load, options);
  }

  refresh(key: CacheKey, plan: LoadPlan, options?: CacheEntryOptions): Promise<unknown> {
    return this.cache.refresh(key, (context) => this.#load(plan, context), options);
  }

  set(key: CacheKey, value: unknown, options?: CacheEntryOptions): Promise<void> {
    return this.cache.set(key, value, options);
  }

  delete(...keys: CacheKey[]): Promise<number> {
    return this.cache.delete(...keys);
  }

  expire(...keys: CacheKey[]): Promise<number> {
    return this.cache.expire(...keys);
  }

  invalidateTags(...tags: string[]): Promise<void> {
    return this.cache.invalidateTags(...tags);
  }

  invalidatePattern(glob: string): Promise<number> {
    return this.cache.invalidatePattern(glob);
  }

  stats(): CacheStats {
    return this.cache.stats();
  }

  /** How often a loader of this process has run. */
  runs(): number {
    return this.#runs;
  }

  state(): string {
    return this.connection.state;
  }

  /** The ports of the servers that this process takes for the masters. */
  masters(): number[] {
    return this.connection.masters().map(({ stream, options }) => stream?.remotePort ?? options.port!);
  }

  /** Resolves when this process holds the key itself, and serves it without asking Redis. */
  async warm(...keys: CacheKey[]): Promise<void> {
    for (const key of keys) {
      while (this.cache.peek(key) === undefined) {
        const { outages } = this.cache.stats();
        const value = await this.cache.get(key);
        // One that Redis did not answer in time says nothing of what is there.
        const answered = this.cache.stats().outages === outages;
        if (value === undefined && (answered || this.connection.state === 'closed'))
          throw new Error(`${String(key)} is not in the cache.`);
        await sleep(1);
      }
    }
  }

  /** So many callers at once. */
  async burst(callers: number, key: CacheKey, plan: LoadPlan, options?: CacheEntryOptions): Promise<BurstOutcome> {
    const calls = Array.from({ length: callers }, () => this.getOrSet(key, plan, options));
    const values = new Map<unknown, number>();
    const errors: string[] = [];
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === 'rejected') errors.push(String(outcome.reason));
      else values.set(outcome.value, (values.get(outcome.value) ?? 0) + 1);
    }
    return { values, errors };
  }

  /** What each of so many calls, one after the other, takes in milliseconds. */
  async timings(calls: number, method: string, key: string, ...args: unknown[]): Promise<number[]> {
    const call = (this as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!;
    const took: number[] = [];
    for (let index = 0; index < calls; index++) {
      const startedAt = performance.now();
      await call.call(this, `${key}-${index}`, ...args);
      took.push(performance.now() - startedAt);
    }
    return took;
  }

  /** Reads the rows again and again through the cache, and notes what it sees. */
  watch(rows: string[]): void {
    this.#going = true;
    this.#watching = this.#watch(rows);
  }

  unwatch(): Promise<Sightings> {
    this.#going = false;
    return this.#watching!;
  }

  /** Writes to the rows again and again, and tells the cache of each change. */
  write(rows: string[], tellings: Telling[]): void {
    this.#going = true;
    this.#writing = this.#write(rows, tellings);
  }

  /** `stale`: what this process read after it had told the cache of a newer version. */
  unwrite(): Promise<{ tellings: Tellings; stale: string[] }> {
    this.#going = false;
    return this.#writing!;
  }

  /** The version of a row, through the cache. */
  async row(row: string): Promise<number> {
    return (await this.getOrSet(row, { row }, { tags: [row] })) as number;
  }

  end(): void {
    this.#database?.disconnect();
  }

  /** Own properties of what all objects inherit from. */
  pollution(): string[] {
    return Object.keys(Object.prototype);
  }

  /** What objects in the value inherit from that is not of the language. */
  async foreignPrototypes(key: CacheKey): Promise<string[]> {
    return foreignPrototypesOf(await this.cache.get(key));
  }

  /** Not to be called by specs: {@link CacheProcess} ends what is held. */
  finish(load: number, result: LoadResult): void {
    this.#results.set(load, result);
    this.#held.get(load)?.(result);
  }

  async #load(plan: LoadPlan, context?: LoadContext): Promise<unknown> {
    this.#runs += 1;
    if ('row' in plan) return Number(await this.#rows.get(plan.row));
    const { value, tags = [], error } = 'held' in plan ? await this.#hold(plan.held) : plan;
    context?.tag(...tags);
    if (error !== undefined) throw new Error(error);
    return value;
  }

  get #rows(): Redis {
    this.#database ??= new Redis(this.databaseUrl);
    return this.#database;
  }

  /** A loader that runs once more after its end was ordered comes to the same result at once. */
  #hold(load: number): Promise<LoadResult> | LoadResult {
    this.tellBegun(load);
    return this.#results.get(load) ?? new Promise((resolve) => this.#held.set(load, resolve));
  }

  async #watch(rows: string[]): Promise<Sightings> {
    const sightings: Sightings = new Map(rows.map((row) => [row, new Map()]));
    while (this.#going) {
      for (const row of rows) {
        const startedAt = machineTime();
        sightings.get(row)!.set(await this.row(row), startedAt);
      }
      await new Promise(setImmediate);
    }
    return sightings;
  }

  async #write(rows: string[], ways: Telling[]): Promise<{ tellings: Tellings; stale: string[] }> {
    const tellings: Tellings = new Map(rows.map((row) => [row, new Map()]));
    const stale: string[] = [];
    for (let version = 1; this.#going; version++) {
      const row = rows[version % rows.length]!;
      const way = ways[version % ways.length]!;
      await this.#rows.set(row, version);
      if (way === 'set') await this.set(row, version, { tags: [row] });
      else await this[way](row);
      tellings.get(row)!.set(version, machineTime());
      const seen = await this.row(row);
      if (seen < version) stale.push(`${way}: ${seen} after ${version}`);
    }
    return { tellings, stale };
  }
}

const OWN: readonly unknown[] = [Object.prototype, Array.prototype, Map.prototype, Set.prototype, Date.prototype];

function foreignPrototypesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const prototype: unknown = Object.getPrototypeOf(value);
  const inner = value instanceof Map ? [...value.entries()].flat() : Object.values(value);
  return [...(OWN.includes(prototype) ? [] : [JSON.stringify(prototype)]), ...inner.flatMap(foreignPrototypesOf)];
}
