import type { Policy } from '../policies/policy.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';

/** The policies that guards decide by. */
export interface PolicyRegistry {
  /** Those of every call that no decorator takes away. */
  readonly defaults: readonly ResolvedPolicy[];
  /** That of the options by this name. */
  get(name: string): ResolvedPolicy | undefined;
  /**
   * Makes one that stands in a decorator.
   *
   * @param name unique in the application
   * @param path how messages call it
   * @param mistakes where what is wrong is noted, to be told all at once
   */
  inline(name: string, policy: Policy, path: string, mistakes: string[]): ResolvedPolicy | undefined;
}
