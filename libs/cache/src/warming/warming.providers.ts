import type { InjectionToken, Provider } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { RedisConnections } from '@nuthatch/redis';
import { ServerConnection } from '@nuthatch/redis/internal';
import { CacheWarmer } from './cache-warmer.js';
import { RedisWarmTurns } from './redis-warm-turns.js';
import { WarmExplorer } from './warm-explorer.js';
import { EmbeddedWarmTurns, type WarmTurns } from './warm-turns.js';
import type { ResolvedWarming } from './warming.options.js';

/** What warming needs of the options of the cache. */
export interface WarmingSettings {
  readonly connection: string;
  readonly namespace: string;
  readonly warming: ResolvedWarming;
}

/** Injection token of the {@link WarmTurns} of a cache. */
export const WARM_TURNS = Symbol('@nuthatch/cache:warm-turns');

/**
 * Provides {@link CacheWarmer} in a module that imports DiscoveryModule.
 *
 * @param options the token of the options of the cache
 */
export function warmingProviders<O>(options: InjectionToken, resolve: (options: O) => WarmingSettings): Provider[] {
  return [
    {
      provide: WARM_TURNS,
      inject: [options, RedisConnections],
      useFactory: (raw: O, connections: RedisConnections) => createTurns(resolve(raw), connections),
    },
    {
      provide: CacheWarmer,
      inject: [options, WARM_TURNS, DiscoveryService, MetadataScanner],
      useFactory: (raw: O, turns: WarmTurns, discovery: DiscoveryService, scanner: MetadataScanner) =>
        new CacheWarmer(turns, resolve(raw).warming, new WarmExplorer(discovery, scanner)),
    },
  ];
}

/** Caches of different namespaces hold different entries, so each is warmed on its own. */
function createTurns({ connection: name, namespace }: WarmingSettings, connections: RedisConnections): WarmTurns {
  const connection = connections.get(name);
  if (!(connection instanceof ServerConnection)) return new EmbeddedWarmTurns();
  return new RedisWarmTurns(connection, [connections.namespace, 'cache-warm', namespace]);
}
