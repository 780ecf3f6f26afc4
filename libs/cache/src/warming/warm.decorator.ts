import { SetMetadata } from '@nestjs/common';
import type { Duration } from '@nuthatch/redis';
import type { WarmContext, WarmResult } from './warm-task.js';

export interface WarmOptions {
  /** Unique in the application. */
  name: string;
  /**
   * Runs it again when this long has passed since it has last run in any instance of the cluster.
   * @default it runs at boot and when asked
   */
  every?: Duration;
}

/** Goes on methods that take nothing or a {@link WarmContext}, and return nothing or the number of entries they have warmed. */
export type WarmDecorator = <M extends (context: WarmContext) => WarmResult>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

const WARM = Symbol('@nuthatch/cache:warm');

/**
 * Makes the method of a provider or controller a warmer: it fills the cache at boot, every so often, and when
 * `CacheWarmer.warm()` asks for it. Of all instances of the application one at a time runs it.
 *
 * ```ts
 * @Warm({ name: 'venues', every: '10m' })
 * async warmVenues({ signal }: WarmContext) {
 *   for (const city of CITIES) if (!signal.aborted) await this.venuesIn(city);
 * }
 * ```
 */
export function Warm(options: WarmOptions): WarmDecorator {
  return (target, key, descriptor) => {
    // Nest looks for it on objects and by names: elsewhere it would never be found, and nobody would know.
    if (typeof target === 'function' || typeof key === 'symbol' || typeof descriptor?.value !== 'function') {
      throw new TypeError(
        `@Warm() is on ${String(key)}. Put it on a method that is neither static nor named by a symbol.`,
      );
    }
    if (Reflect.hasMetadata(WARM, descriptor.value)) {
      throw new TypeError(`@Warm() is twice on ${target.constructor.name}.${key}(). A method is one warmer.`);
    }
    SetMetadata(WARM, options)(target, key, descriptor);
  };
}

/** What `@Warm()` was given on this method, as it is: nobody has checked it. Undefined: it is no warmer. */
export function warmOptionsOf(method: unknown): Partial<Record<keyof WarmOptions, unknown>> | undefined {
  if (typeof method !== 'function' || !Reflect.hasMetadata(WARM, method)) return undefined;
  return (Reflect.getMetadata(WARM, method) as WarmOptions | undefined) ?? {};
}
