import type { Redis } from 'ioredis';

// Nest and `await` look at these on every provider; only a real use may fail.
const LOOKED_AT = new Set<string | symbol>([
  'then',
  'onModuleInit',
  'onApplicationBootstrap',
  'onModuleDestroy',
  'beforeApplicationShutdown',
  'onApplicationShutdown',
]);

/**
 * Stands for a client that is not there, so that an application which injects one still starts on an embedded connection.
 * Its first use throws `error`, which names the fix.
 */
export function unavailableClient(error: Error): Redis {
  return new Proxy({} as Redis, {
    get(target, property) {
      // What every object has is no use of a client: explorers of other modules look at all providers by it, and at the
      // metadata of their classes.
      if (property in Object.prototype) return Reflect.get(target, property) as unknown;
      if (typeof property === 'symbol' || LOOKED_AT.has(property)) return undefined;
      throw error;
    },
  });
}
