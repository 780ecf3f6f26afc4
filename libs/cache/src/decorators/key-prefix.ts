import { NuthatchError } from '@nuthatch/redis';
import { cacheKeyText, type CacheKey } from '../keys/cache-key.js';
import { CacheOptionsError } from '../cache.errors.js';

/**
 * Puts a prefix before keys.
 *
 * @throws CacheOptionsError for a prefix that cannot be part of a key.
 */
export function prefixKeys(prefix: CacheKey | undefined): (key: CacheKey) => CacheKey {
  if (prefix === undefined) return (key) => key;
  checkConstantKey('keyPrefix', prefix);
  const first = segmentsOf(prefix);
  // Whatever is no key is left to the cache, which says so.
  return (key) => (typeof key === 'string' || Array.isArray(key) ? [...first, ...segmentsOf(key)] : key);
}

/** @throws CacheOptionsError that names the option. */
export function checkConstantKey(option: string, key: CacheKey): void {
  try {
    cacheKeyText(key);
  } catch (error) {
    if (!(error instanceof NuthatchError)) throw error;
    throw new CacheOptionsError([`${option}: ${error.message}`]);
  }
}

function segmentsOf(key: CacheKey): Exclude<CacheKey, string> {
  return typeof key === 'string' ? key.split(':') : key;
}
