import { OptionsReader } from '@nuthatch/redis/internal';
import { CacheOptionsError } from '../cache.errors.js';
import { resolveCacheOptions, resolveEntryOptions, type CacheEntryOptions } from '../cache.options.js';
import type { CacheKey } from '../keys/cache-key.js';
import type { AnyCacheDefinition, CacheInjections, CachePlan } from './cache-definition.js';
import type { StandardSchema } from './standard-schema.js';

const OWN_OPTIONS = ['key', 'version', 'valueTags', 'schema', 'inject', 'load', 'loadMany'] as const;

const ENTRY_OPTIONS: Readonly<Record<keyof CacheEntryOptions, true>> = {
  ttl: true,
  grace: true,
  jitter: true,
  tags: true,
  negativeTtl: true,
  softTimeout: true,
  hardTimeout: true,
  refreshAhead: true,
  coalesce: true,
  onOutage: true,
  clone: true,
};

/** What a loader finds in its context anyway. */
const CONTEXT = ['key', 'signal', 'stale', 'ttl', 'tag', 'skip', 'noStore', 'notModified', 'contexts'];

const NONE: CacheInjections = Object.freeze({});

const NAME = /^[\w.-]{1,64}$/;
const VERSION = /^[\w.-]{1,32}$/;

type RawDefinition = Readonly<Record<(typeof OWN_OPTIONS)[number] | 'name' | 'tags' | 'batchSize', unknown>>;

/**
 * Checks what `defineCache` was given.
 *
 * @throws CacheOptionsError that lists every mistake at once.
 */
export function readDefinition(given: object): AnyCacheDefinition {
  const raw = (given ?? {}) as RawDefinition;
  const path = typeof raw.name === 'string' && NAME.test(raw.name) ? `defineCache("${raw.name}")` : 'defineCache()';
  const mistakes: string[] = [];
  const reader = new OptionsReader(given, path, mistakes);
  const name = reader.matching('name', NAME, 'letters, digits, ".", "_" and "-", at most 64', '');
  if (name === 'default')
    mistakes.push(`${path}.name is "default", which is what CacheService itself is called. Use another.`);
  for (const option of [...OWN_OPTIONS, ...Object.keys(ENTRY_OPTIONS)]) reader.ignore(option);
  const batchSize = reader.integer('batchSize', 1, 1_000);
  reader.rejectUnknown();

  checkFunctions(raw, path, mistakes);

  const plan: CachePlan = Object.freeze({
    // Nest prints it where the cache is injected and not there.
    token: Symbol(`the cache "${name}": import CacheModule.forFeature() with its definition`),
    schema: readSchema(raw.schema, path, mistakes),
    inject: readInjections(raw.inject, path, mistakes),
    tagsOf: typeof raw.tags === 'function' ? (raw.tags as CachePlan['tagsOf']) : undefined,
    valueTagsOf: raw.valueTags as CachePlan['valueTagsOf'],
    load: raw.load as CachePlan['load'],
    loadMany: raw.loadMany as CachePlan['loadMany'],
    batchSize,
  });
  const definition: AnyCacheDefinition = Object.freeze({
    name,
    key: raw.key as (...args: never) => CacheKey,
    version: readVersion(raw.version, path, mistakes),
    options: readOptions(raw, path, mistakes),
    plan,
  });
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return definition;
}

function checkFunctions(raw: RawDefinition, path: string, mistakes: string[]): void {
  if (typeof raw.key !== 'function') {
    mistakes.push(`${path}.key is ${kindOf(raw.key)}. Give a function such as (id: number) => [id].`);
  }
  for (const option of ['valueTags', 'load', 'loadMany'] as const) {
    if (raw[option] !== undefined && typeof raw[option] !== 'function')
      mistakes.push(`${path}.${option} is ${kindOf(raw[option])}. Give a function.`);
  }
  if (raw.load !== undefined && raw.loadMany !== undefined)
    mistakes.push(`${path} has both load and loadMany. Give one of them.`);
  if (raw.loadMany === undefined && raw.batchSize !== undefined)
    mistakes.push(`${path}.batchSize is without loadMany. Give both or neither.`);
  if (raw.inject !== undefined && raw.load === undefined && raw.loadMany === undefined)
    mistakes.push(`${path}.inject is without load or loadMany, which would get it. Leave it out.`);
}

function readOptions(raw: RawDefinition, path: string, mistakes: string[]): Readonly<CacheEntryOptions> {
  const isEntryOption = ([option, value]: [string, unknown]): boolean =>
    option in ENTRY_OPTIONS && value !== undefined && !(option === 'tags' && typeof value === 'function');
  const options: CacheEntryOptions = Object.fromEntries(Object.entries(raw).filter(isEntryOption));
  try {
    resolveEntryOptions(options, resolveCacheOptions());
  } catch (error) {
    if (!(error instanceof CacheOptionsError)) throw error;
    mistakes.push(...error.mistakes.map((mistake) => mistake.replace(/^options/, path)));
  }
  if (Array.isArray(options.tags)) options.tags = Object.freeze([...options.tags]);
  return Object.freeze(options);
}

function readVersion(raw: unknown, path: string, mistakes: string[]): number | string | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 1) return raw;
  if (typeof raw === 'string' && VERSION.test(raw)) return raw;
  const shown = typeof raw === 'string' ? JSON.stringify(raw.slice(0, 40)) : kindOf(raw);
  const rule = 'Give a whole number from 1 on, or letters, digits, ".", "_" and "-", at most 32.';
  mistakes.push(`${path}.version is ${typeof raw === 'number' ? raw : shown}. ${rule}`);
  return undefined;
}

function readSchema(raw: unknown, path: string, mistakes: string[]): StandardSchema | undefined {
  if (raw === undefined) return undefined;
  // Of some libraries schemas are functions.
  const schema = (typeof raw === 'object' || typeof raw === 'function' ? raw : null) as StandardSchema | null;
  const standard = schema?.['~standard'];
  if (typeof standard?.validate === 'function' && standard.version === 1) return schema!;
  mistakes.push(
    `${path}.schema is ${schema === null ? kindOf(raw) : 'no Standard Schema of version 1'}. ` +
      'Give a schema of a library that follows https://standardschema.dev, such as Zod 3.24, Valibot 1 or ArkType 2.',
  );
  return undefined;
}

function readInjections(raw: unknown, path: string, mistakes: string[]): CacheInjections {
  if (raw === undefined) return NONE;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    mistakes.push(`${path}.inject is ${kindOf(raw)}. Give providers by name: { repo: UserRepository }.`);
    return NONE;
  }
  for (const [name, token] of Object.entries(raw)) {
    if (!['string', 'symbol', 'function'].includes(typeof token)) {
      // What a circular import makes of a class.
      mistakes.push(`${path}.inject.${name} is ${kindOf(token)}. Give the class or the token of a provider.`);
    }
    if (CONTEXT.includes(name)) {
      mistakes.push(`${path}.inject.${name} has the name of what the context of a loader holds. Use another.`);
    }
  }
  return Object.freeze({ ...(raw as CacheInjections) });
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}
