export { CacheModule, type CacheModuleAsyncOptions } from './cache.module.js';
export type { CacheEntryOptions, CacheModuleOptions } from './cache.options.js';
export { CacheService } from './cache.service.js';
export type { LoadContext } from './load/load-context.js';
export type { CacheKey } from './keys/cache-key.js';
export type { PatternOptions } from './keys/cache-pattern.js';
export { Cacheable, type CacheableOptions } from './decorators/cacheable.decorator.js';
export { CacheInvalidate, type CacheInvalidateOptions } from './decorators/cache-invalidate.decorator.js';
export { CachePut, type CachePutOptions } from './decorators/cache-put.decorator.js';
export { CacheTransactions } from './decorators/transaction-port.js';
export { keyPattern } from './keys/key-pattern.js';
export {
  defineCache,
  type CacheDefinitionOptions,
  type CacheLoaderOptions,
  type CacheSchemaOptions,
  type OpenLoadContext,
} from './typed/define-cache.js';
export type {
  AnyCacheDefinition,
  CacheDefinition,
  CacheInjection,
  CacheInjections,
  Injected,
  LoadManyContext,
} from './typed/cache-definition.js';
export type { CacheFeatureOptions } from './typed/cache-feature.module.js';
export { getCacheToken, InjectCache } from './typed/inject-cache.decorator.js';
export type { StandardSchema } from './typed/standard-schema.js';
export { TypedCache, type CacheOf } from './typed/typed-cache.js';
export { CacheWarmer } from './warming/cache-warmer.js';
export { Warm, type WarmOptions } from './warming/warm.decorator.js';
export { type WarmerReport, type WarmOutcome, WarmReport, type WarmSkipReason } from './warming/warm-report.js';
export type { WarmContext, WarmResult, WarmTask } from './warming/warm-task.js';
export type { WarmingOptions } from './warming/warming.options.js';
export { UnknownWarmerError, WarmerDeclarationError, WarmingAbortedError } from './warming/warming.errors.js';
export { CacheKeyError, CacheLoadTimeoutError, CacheOptionsError, CacheValueError } from './cache.errors.js';
export { CACHE_CHANNEL, type CacheCount, type CacheEvent, type CacheStats } from './stats/cache-stats.js';
export type { CompressOptions } from './value/compress.options.js';
export type { EncryptOptions } from './value/encrypt.options.js';
export type { CacheDriver } from './drivers/cache-driver.js';
