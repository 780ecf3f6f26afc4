import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';

/**
 * Lets a process take units of a limit ahead, and spend them without asking Redis. For the few subjects that everybody
 * shares, such as a tenant or the whole application: what one process holds is out of reach of the others meanwhile.
 *
 * The bound of the policy in any `per` holds as without. The price: windows are lengthened by `for`, so the rate is lower
 * by as much; each process may hold back `size` units for as long; and `remaining` and the like are estimates.
 */
export interface LeaseOptions {
  /**
   * How much a process takes ahead at most: 2 or more, and no more than can be had at once. It takes less where calls
   * are few, never more than a quarter of what remains, and near the limit only what a call costs.
   */
  size: number;
  /** How long it may spend that, a tenth of `per` at most. Then it gives the rest back. */
  for: Duration;
}

/** {@link LeaseOptions} as a rule has them. */
export interface Lease {
  readonly size: number;
  readonly forUs: number;
  /** The length of time for which the bound of the policy is stated: its `per`. */
  readonly perUs: number;
}

const LEAST = 2;
const US_PER_MS = 1_000;
const LARGEST_PART = 10;

/**
 * @param reader of the policy
 * @param raw what the policy has as its `lease`
 * @param of the policy; `capacity`: how much can be had at once, undefined where that depends on the caller
 * @param path of the policy
 * @param mistakes where what is wrong is noted, to be told all at once
 */
export function resolveLease(
  reader: OptionsReader,
  raw: LeaseOptions | undefined,
  of: { readonly perUs: number; readonly capacity: number | undefined },
  path: string,
  mistakes: string[],
): Lease | undefined {
  reader.ignore('lease');
  if (raw === undefined) return undefined;
  const before = mistakes.length;
  const nested = new OptionsReader(raw, `${path}.lease`, mistakes);
  if (mistakes.length > before) return undefined;
  const size = nested.integer('size', LEAST, 0);
  const ms = nested.optionalDuration('for', undefined) ?? 0;
  nested.rejectUnknown();
  if (raw.for === undefined) {
    mistakes.push(`${path}.lease.for is undefined. Write a length of time with its unit, for example '100ms'.`);
  }
  if (mistakes.length > before) return undefined;
  const { perUs, capacity = Number.POSITIVE_INFINITY } = of;
  if (size > capacity) {
    mistakes.push(`${path}.lease.size is ${size}, more than the ${capacity} that can be had at once. Lower it.`);
  }
  if (ms * US_PER_MS * LARGEST_PART > perUs) {
    const most = Math.floor(perUs / LARGEST_PART / US_PER_MS);
    const fix = most > 0 ? `Give ${most}ms at most.` : 'Leave the lease out.';
    mistakes.push(`${path}.lease.for is ${ms}ms, longer than a tenth of "per". ${fix}`);
  }
  return mistakes.length > before ? undefined : { size, forUs: ms * US_PER_MS, perUs };
}
