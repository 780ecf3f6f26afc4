import type { OnModuleInit } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { CacheOptionsError } from '../cache.errors.js';
import { resolveEntryOptions } from '../cache.options.js';
import type { CacheService } from '../cache.service.js';
import type { CacheCore } from '../cache-core.js';
import type { AnyCacheDefinition, CacheInjection } from './cache-definition.js';
import { DefinitionLoader } from './definition-loader.js';
import { acceptBy } from './schema-check.js';
import { TurnReads } from './turn-reads.js';
import { TypedCache } from './typed-cache.js';

/** Any TypedCache, whatever its types. */
export type AnyTypedCache = TypedCache<never, unknown, never, unknown>;

/** Injection token of the {@link TypedCaches}; Nest prints it where they are missing. */
export const TYPED_CACHES = Symbol(
  'CacheModule.forRoot() (import it in the root module, or give it to forFeature() as { of } when it is not global)',
);

/** The typed caches of one CacheModule, one for each definition. */
export class TypedCaches implements OnModuleInit {
  readonly #opened = new Map<string, { readonly definition: AnyCacheDefinition; readonly cache: AnyTypedCache }>();

  constructor(
    private readonly core: CacheCore,
    private readonly cache: CacheService,
    private readonly modules: ModuleRef,
  ) {}

  /** @throws CacheOptionsError for a second definition of a name */
  open(definition: AnyCacheDefinition): AnyTypedCache {
    const known = this.#opened.get(definition.name);
    if (!known) {
      const cache = this.#create(definition);
      this.#opened.set(definition.name, { definition, cache });
      return cache;
    }
    if (known.definition === definition) return known.cache;
    throw new CacheOptionsError([
      `Two definitions have the name "${definition.name}" and would share their keys. Rename one of them, or import the same one in both places.`,
    ]);
  }

  /** By now all providers are there. @throws CacheOptionsError for what a definition injects and is not there */
  onModuleInit(): void {
    const mistakes: string[] = [];
    for (const { definition } of this.#opened.values()) {
      for (const [name, token] of Object.entries(definition.plan.inject)) {
        try {
          this.#provider(token);
        } catch (error) {
          const wanted = `defineCache("${definition.name}").inject.${name}`;
          mistakes.push(`${wanted} cannot be had: ${(error as Error).message} Add it to the providers of a module.`);
        }
      }
    }
    if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  }

  #create(definition: AnyCacheDefinition): AnyTypedCache {
    const { core } = this;
    const { name, version, options, plan } = definition;
    const revision = version === undefined ? '' : String(version);
    const accept = plan.schema && acceptBy(name, plan.schema);
    const cache = this.cache.defined(name, options, revision, accept);
    const scope = core.scope(cache.stats().namespace, revision, accept);
    const reads = new TurnReads(core, scope, resolveEntryOptions(options, core.options));
    const loader = new DefinitionLoader(definition, () => this.#injected(definition), accept, core.loader.chain);
    return new TypedCache(definition, cache, loader, reads);
  }

  /** Asked for each time: Nest may replace an object until the application has started. */
  #injected({ plan }: AnyCacheDefinition): object {
    return Object.fromEntries(Object.entries(plan.inject).map(([name, token]) => [name, this.#provider(token)]));
  }

  #provider(token: CacheInjection): unknown {
    return this.modules.get(token as string, { strict: false });
  }
}
