import type { Codec, Duration } from '@nuthatch/redis';
import { jsonCodec } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import { CacheOptionsError } from './cache.errors.js';

/** What can be set for the module and for a single entry; the entry wins. */
export interface CacheEntryOptions {
  /** How long a value is served. @default '5m' */
  ttl?: Duration;
  /**
   * What a read does while Redis cannot be reached. `'load'`: `getOrSet` calls the loader and `get` finds nothing, so the
   * caller never sees an error of Redis. `'throw'`: it throws it.
   * @default 'load'
   */
  onOutage?: 'load' | 'throw';
}

export interface CacheModuleOptions extends CacheEntryOptions {
  /** The name of the connection of RedisModule that holds the entries. @default 'default' */
  connection?: string;
  /** Separates the entries of several caches on one connection. @default 'default' */
  namespace?: string;
  /** Turns values into text. @default jsonCodec */
  codec?: Codec;
  /** Whether CacheService is visible in every module. @default true */
  isGlobal?: boolean;
}

export interface ResolvedEntryOptions {
  readonly ttlMs: number;
  readonly onOutage: 'load' | 'throw';
}

export interface ResolvedCacheOptions extends ResolvedEntryOptions {
  readonly connection: string;
  readonly namespace: string;
  readonly codec: Codec;
}

const NAME = /^[\w.-]{1,64}$/;
const NAME_RULE = 'letters, digits, ".", "_" and "-", at most 64';

/**
 * Checks the options and fills the defaults.
 *
 * @throws CacheOptionsError that lists every mistake at once.
 */
export function resolveCacheOptions(options: CacheModuleOptions = {}): ResolvedCacheOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  reader.ignore('isGlobal');
  reader.ignore('codec');
  const codec = options?.codec ?? jsonCodec;
  if (typeof codec.encode !== 'function' || typeof codec.decode !== 'function') {
    mistakes.push('options.codec has no encode() and decode(). Give an object with both, for example jsonCodec.');
  }
  const resolved = {
    ...readEntryOptions(reader),
    connection: reader.matching('connection', NAME, NAME_RULE, 'default'),
    namespace: reader.matching('namespace', NAME, NAME_RULE, 'default'),
    codec,
  };
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return resolved;
}

/** @throws CacheOptionsError for a name that cannot be part of a key. */
export function checkNamespace(name: string): string {
  if (NAME.test(name)) return name;
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
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const resolved = readEntryOptions(reader, defaults);
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return resolved;
}

function readEntryOptions(
  reader: OptionsReader,
  defaults: ResolvedEntryOptions = { ttlMs: 300_000, onOutage: 'load' },
): ResolvedEntryOptions {
  return {
    ttlMs: reader.duration('ttl', `${defaults.ttlMs}ms`),
    onOutage: reader.oneOf('onOutage', ['load', 'throw'] as const, defaults.onOutage) ?? defaults.onOutage,
  };
}
