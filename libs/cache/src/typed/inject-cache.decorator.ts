import { Inject } from '@nestjs/common';
import { CacheOptionsError } from '../cache.errors.js';
import type { AnyCacheDefinition } from './cache-definition.js';

/** The injection token of the TypedCache of a definition, for `inject` of a factory and for tests. */
export function getCacheToken(definition: AnyCacheDefinition): symbol {
  const token: unknown = definition?.plan?.token;
  if (typeof token === 'symbol') return token;
  throw new CacheOptionsError([
    `What is given as the definition of a cache is ${definition === undefined ? 'undefined, as in a circular import' : 'none'}. Give what defineCache() returns.`,
  ]);
}

/**
 * Injects the TypedCache of a definition into a parameter of a constructor or a property. Its type is
 * `CacheOf<typeof definition>`. The module imports `CacheModule.forFeature([definition])`.
 */
export function InjectCache(definition: AnyCacheDefinition): ParameterDecorator & PropertyDecorator {
  return Inject(getCacheToken(definition)) as ParameterDecorator & PropertyDecorator;
}
