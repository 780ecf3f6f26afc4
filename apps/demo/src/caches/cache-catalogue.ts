import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getCacheToken, type CacheDefinition, type CacheKey, type TypedCache } from '@nuthatch/cache';
import {
  cartsCache,
  customersCache,
  featureFlagsCache,
  forecastsCache,
  venueListsCache,
  venuesCache,
} from './caches.js';

/** One line of the catalogue. */
export interface CacheLine {
  readonly name: string;
  /** The key of one of its entries. */
  readonly key: string;
  readonly ttl: string | undefined;
  readonly hits: number;
  readonly misses: number;
  readonly loads: number;
}

interface Listed {
  readonly definition: Parameters<typeof getCacheToken>[0];
  readonly key: CacheKey;
}

const LISTED: readonly Listed[] = [
  listed(customersCache, 7),
  listed(cartsCache, 7),
  listed(venuesCache, 42),
  listed(venueListsCache, 'Lisbon'),
  listed(forecastsCache, 42),
  listed(featureFlagsCache, 7),
];

/** All caches of this folder. */
export const CACHES = LISTED.map(({ definition }) => definition);

/** Which caches there are, and what they have done in this process. */
@Injectable()
export class CacheCatalogue {
  readonly #modules: ModuleRef;

  constructor(modules: ModuleRef) {
    this.#modules = modules;
  }

  lines(): CacheLine[] {
    return LISTED.map(({ definition, key }) => {
      const cache = this.#modules.get<TypedCache<never, unknown>>(getCacheToken(definition), { strict: false });
      const { localHits, sharedHits, staleServes, misses, loads } = cache.stats();
      return {
        name: definition.name,
        key: [definition.name, key].flat().join(':'),
        ttl: definition.options.ttl,
        hits: localHits + sharedHits + staleServes,
        misses,
        loads,
      };
    });
  }
}

function listed<Args extends readonly unknown[], T, Input, Found>(
  definition: CacheDefinition<Args, T, Input, Found>,
  ...example: Args
): Listed {
  return { definition, key: definition.key(...example) };
}
