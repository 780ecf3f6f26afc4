import type { Bytes, Codec, Duration } from '@nuthatch/redis';
import { jsonCodec } from '@nuthatch/redis';
import { OptionsReader, parseDuration } from '@nuthatch/redis/internal';
import { CacheOptionsError } from './cache.errors.js';
import { tagProblem } from './tags/tag.js';
import { readCompressOption, type CompressOptions, type ResolvedCompress } from './value/compress.options.js';
import { readWarmingOption, type ResolvedWarming, type WarmingOptions } from './warming/warming.options.js';
import { readEncryptOption, type EncryptOptions, type ResolvedEncrypt } from './value/encrypt.options.js';

/** What can be set for the module, for a namespace, or for a single entry; the narrower wins. */
export interface CacheEntryOptions {
  /** How long a value is fresh. @default '5m' */
  ttl?: Duration;
  /**
   * How much longer it is kept, to be served when its loader fails or is too slow, or Redis is away; `'0ms'` for not at all.
   * @default '0ms'
   */
  grace?: Duration;
  /** By which part of it at most `ttl` is shortened at random, so that entries of one moment do not end in one moment. @default 0.1 */
  jitter?: number;
  /** What the entry depends on; see `invalidateTags`. Those of the namespace and those of the call add up. */
  tags?: readonly string[];
  /** How long `null` is fresh, which is what loaders return for "there is none". @default the value of `ttl` */
  negativeTtl?: Duration;
  /** How long a caller waits for a loader before it takes the earlier value within its grace. The load goes on. @default no limit */
  softTimeout?: Duration;
  /** How long a loader may take. Then its signal aborts, and callers get the earlier value or a CacheLoadTimeoutError. @default no limit */
  hardTimeout?: Duration;
  /**
   * The part of `ttl` after which one caller loads anew in the background, between 0 and 1. Values that take long to load
   * are loaded anew earlier: by XFetch, with the measured time (Vattani et al., VLDB 2015).
   * @default never
   */
  refreshAhead?: number;
  /**
   * Who shares one load of a key: all processes, the callers of this process, or nobody (`false`).
   * @default 'cluster'
   */
  coalesce?: 'cluster' | 'process' | false;
  /**
   * What a call does while Redis cannot be reached. `'load'`: reads get what is held in process or is loaded, and writes
   * are noted and made up for. `'throw'`: it throws.
   * @default 'load'
   */
  onOutage?: 'load' | 'throw';
  /** Gives each reader a copy of its own that it may change, in place of a frozen value that is shared. @default false */
  clone?: boolean;
}

export interface CacheModuleOptions extends CacheEntryOptions {
  /** The name of the connection of RedisModule that holds the entries. @default 'default' */
  connection?: string;
  /** Separates the entries of several caches on one connection. @default 'default' */
  namespace?: string;
  /** The bounds of the tier in process; false for none. @default { maxEntries: 10000, maxBytes: '64MB' } */
  local?: { maxEntries?: number; maxBytes?: Bytes } | false;
  /**
   * How the tier in process learns of other writers. `'tracking'`: from Redis itself, which reports every change by
   * anybody; `'broadcast'`: from the other processes of this suite; `'off'`: it does not, and may be stale for `ttl`.
   * @default 'tracking', or 'broadcast' where the server does not allow that
   */
  coherence?: 'tracking' | 'broadcast' | 'off';
  /** How long a call waits for Redis before it goes on without. @default '45ms' */
  redisTimeout?: Duration;
  /** Turns values into text. @default jsonCodec */
  codec?: Codec;
  /** Compresses values above a size. @default false */
  compress?: CompressOptions | false;
  /** Encrypts values at rest, by AES-256-GCM. @default not */
  encrypt?: EncryptOptions;
  /** The largest value, as text. @default '16MB' */
  maxValueBytes?: Bytes;
  /** How many warmers run at a time, and whether they run at boot. */
  warming?: WarmingOptions;
  /** Whether CacheService is visible in every module. @default true */
  isGlobal?: boolean;
}

export interface ResolvedEntryOptions {
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly jitter: number;
  readonly tags: readonly string[];
  readonly negativeTtlMs: number | undefined;
  readonly softTimeoutMs: number | undefined;
  readonly hardTimeoutMs: number | undefined;
  readonly refreshAhead: number | undefined;
  readonly coalesce: 'cluster' | 'process' | false;
  readonly onOutage: 'load' | 'throw';
  readonly clone: boolean;
}

export interface ResolvedCacheOptions extends ResolvedEntryOptions {
  readonly connection: string;
  readonly namespace: string;
  readonly local: { readonly maxEntries: number; readonly maxBytes: number } | false;
  readonly coherence: 'tracking' | 'broadcast' | 'off';
  readonly redisTimeoutMs: number;
  readonly codec: Codec;
  readonly compress: ResolvedCompress | false;
  readonly encrypt: ResolvedEncrypt | false;
  readonly maxValueBytes: number;
  readonly warming: ResolvedWarming;
}

const NAME = /^[\w.-]{1,64}$/;
const NAME_RULE = 'letters, digits, ".", "_" and "-", at most 64';

const DEFAULTS: ResolvedEntryOptions = {
  ttlMs: 300_000,
  graceMs: 0,
  jitter: 0.1,
  tags: [],
  negativeTtlMs: undefined,
  softTimeoutMs: undefined,
  hardTimeoutMs: undefined,
  refreshAhead: undefined,
  coalesce: 'cluster',
  onOutage: 'load',
  clone: false,
};

const ENTRY_OPTIONS = Object.keys(DEFAULTS) as (keyof ResolvedEntryOptions)[];

/**
 * Checks the options and fills the defaults.
 *
 * @throws CacheOptionsError that lists every mistake at once.
 */
export function resolveCacheOptions(options: CacheModuleOptions = {}): ResolvedCacheOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  for (const name of ['isGlobal', 'codec', 'compress', 'encrypt', 'local', 'warming']) reader.ignore(name);
  const codec = options?.codec ?? jsonCodec;
  if (typeof codec.encode !== 'function' || typeof codec.decode !== 'function') {
    mistakes.push('options.codec has no encode() and decode(). Give an object with both, for example jsonCodec.');
  }
  const resolved = {
    ...readEntryOptions(reader, DEFAULTS),
    connection: reader.matching('connection', NAME, NAME_RULE, 'default'),
    namespace: reader.matching('namespace', NAME, NAME_RULE, 'default'),
    local: readLocal(options?.local, mistakes),
    coherence: reader.oneOf('coherence', ['tracking', 'broadcast', 'off'] as const, 'tracking') ?? 'tracking',
    redisTimeoutMs: reader.duration('redisTimeout', '45ms'),
    codec,
    compress: readCompressOption(options?.compress, 'options.compress', mistakes),
    encrypt: readEncryptOption(options?.encrypt, 'options.encrypt', mistakes),
    maxValueBytes: reader.bytes('maxValueBytes', '16MB'),
    warming: readWarmingOption(options?.warming, 'options.warming', mistakes),
  };
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return resolved;
}

/** @throws CacheOptionsError for a name that cannot be part of a key. */
export function checkNamespace(name: string): string {
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw new CacheOptionsError([
    `The namespace ${JSON.stringify(String(name).slice(0, 80))} cannot be used. Use ${NAME_RULE}.`,
  ]);
}

/**
 * Puts the options of a call over those of the module.
 *
 * @throws CacheOptionsError
 */
export function resolveEntryOptions(
  options: CacheEntryOptions | undefined,
  defaults: ResolvedEntryOptions,
): ResolvedEntryOptions {
  if (options === undefined) return defaults;
  const usual = resolveUsual(options, defaults);
  if (usual) return usual;
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const resolved = readEntryOptions(reader, defaults);
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return resolved;
}

/** Whether both ask for the same, so that one answer serves both. */
export function isSameEntry(one: ResolvedEntryOptions, other: ResolvedEntryOptions): boolean {
  if (one === other) return true;
  for (const name of ENTRY_OPTIONS) if (name !== 'tags' && one[name] !== other[name]) return false;
  return one.tags.length === other.tags.length && one.tags.every((tag, index) => tag === other.tags[index]);
}

const USUAL_TAG = /^[!-~]{1,64}$/;

/** What most calls give, a `ttl` and tags, without the price of reading all: a hit pays for it, too. */
function resolveUsual(options: CacheEntryOptions, defaults: ResolvedEntryOptions): ResolvedEntryOptions | undefined {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
  for (const name in options) if (name !== 'ttl' && name !== 'tags') return undefined;
  const { ttl, tags } = options;
  if (
    tags !== undefined &&
    !(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && USUAL_TAG.test(tag)))
  ) {
    return undefined;
  }
  try {
    const ttlMs = ttl === undefined ? defaults.ttlMs : parseDuration(ttl, 'options.ttl');
    return { ...defaults, ttlMs, tags: tags === undefined ? defaults.tags : joinTags(defaults.tags, tags) };
  } catch {
    // Read again together with whatever else is wrong.
    return undefined;
  }
}

function joinTags(some: readonly string[], others: readonly string[]): readonly string[] {
  return others.length === 0 ? some : [...new Set([...some, ...others])];
}

function readEntryOptions(reader: OptionsReader, defaults: ResolvedEntryOptions): ResolvedEntryOptions {
  const tags = reader.list('tags', tagProblem);
  return {
    ttlMs: reader.duration('ttl', `${defaults.ttlMs}ms`),
    graceMs: reader.durationOrZero('grace', defaults.graceMs),
    jitter: reader.fraction('jitter', defaults.jitter) ?? 0,
    tags: joinTags(defaults.tags, tags),
    negativeTtlMs: reader.optionalDuration('negativeTtl', defaults.negativeTtlMs),
    softTimeoutMs: reader.durationOrZero('softTimeout', defaults.softTimeoutMs),
    hardTimeoutMs: reader.optionalDuration('hardTimeout', defaults.hardTimeoutMs),
    refreshAhead: reader.fraction('refreshAhead', defaults.refreshAhead),
    coalesce: reader.oneOf('coalesce', ['cluster', 'process', false] as const, defaults.coalesce) ?? defaults.coalesce,
    onOutage: reader.oneOf('onOutage', ['load', 'throw'] as const, defaults.onOutage) ?? defaults.onOutage,
    clone: reader.boolean('clone', defaults.clone),
  };
}

function readLocal(raw: CacheModuleOptions['local'], mistakes: string[]): ResolvedCacheOptions['local'] {
  if (raw === false) return false;
  const reader = new OptionsReader(raw ?? {}, 'options.local', mistakes);
  const limits = { maxEntries: reader.integer('maxEntries', 1, 10_000), maxBytes: reader.bytes('maxBytes', '64MB') };
  reader.rejectUnknown();
  return limits;
}
