import { Inject, Injectable } from '@nestjs/common';
import { Cacheable, Warm } from '@nuthatch/cache';

/** Injection token of the environment that the flags are read from. */
export const FLAG_ENV = Symbol('FLAG_ENV');

export type FeatureFlags = Readonly<Record<string, boolean>>;

const KNOWN_FLAGS = ['seat-map', 'group-discount', 'waiting-list'];

/** Which features of the shop are on: those that `FEATURE_FLAGS` names, such as `seat-map,waiting-list`. */
@Injectable()
export class FeatureFlagsService {
  readonly #env: NodeJS.ProcessEnv;

  constructor(@Inject(FLAG_ENV) env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** Shops on one Redis show the same flags: those of the one that has loaded them. */
  @Cacheable<FeatureFlagsService['all']>({ key: 'feature-flags', ttl: '5m', refreshAhead: 0.5 })
  async all(): Promise<FeatureFlags> {
    const on = new Set((this.#env['FEATURE_FLAGS'] ?? 'seat-map').split(',').map((name) => name.trim()));
    return Object.fromEntries(KNOWN_FLAGS.map((name) => [name, on.has(name)]));
  }

  @Warm({ name: 'feature-flags' })
  async warm(): Promise<number> {
    await this.all();
    return 1;
  }
}
