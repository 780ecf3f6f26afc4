export { CacheModule, type CacheModuleAsyncOptions } from './cache.module.js';
export type { CacheEntryOptions, CacheModuleOptions } from './cache.options.js';
export { CacheService, type LoadContext } from './cache.service.js';
export type { CacheKey } from './cache-key.js';
export { Cacheable, type CacheableOptions } from './cacheable.decorator.js';
export { CacheInvalidate, type CacheInvalidateOptions } from './cache-invalidate.decorator.js';
export { CacheKeyError, CacheOptionsError, CacheValueError } from './cache.errors.js';
export type { CacheDriver, CacheRead } from './drivers/cache-driver.js';
