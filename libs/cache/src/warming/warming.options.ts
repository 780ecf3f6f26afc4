import { OptionsReader } from '@nuthatch/redis/internal';

/** How `@Warm()` methods and registered warmers are run. */
export interface WarmingOptions {
  /** How many warmers this instance runs at the same time. @default 2 */
  concurrency?: number;
  /**
   * What happens when the application starts. `'background'`: every warmer runs, and the start goes on meanwhile.
   * `'wait'`: the start waits for those that run in this instance; one that fails is logged and does not fail it.
   * `false`: nothing, and warmers with `every` run for the first time when that has passed.
   * @default 'background'
   */
  onBoot?: false | 'background' | 'wait';
}

export interface ResolvedWarming {
  readonly concurrency: number;
  readonly onBoot: false | 'background' | 'wait';
}

/** Checks the option and fills the defaults; notes what is wrong in `mistakes`. */
export function readWarmingOption(raw: unknown, path: string, mistakes: string[]): ResolvedWarming {
  const reader = new OptionsReader(raw === undefined ? {} : raw, path, mistakes);
  const resolved = { concurrency: reader.integer('concurrency', 1, 2), onBoot: readOnBoot(raw, reader) };
  reader.rejectUnknown();
  return resolved;
}

function readOnBoot(raw: unknown, reader: OptionsReader): ResolvedWarming['onBoot'] {
  if ((raw as WarmingOptions | null | undefined)?.onBoot !== false) {
    return reader.oneOf('onBoot', ['background', 'wait'] as const, 'background') ?? 'background';
  }
  reader.ignore('onBoot');
  return false;
}
