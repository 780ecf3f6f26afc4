import { OptionsReader } from '@nuthatch/redis/internal';
import type { Block } from '../drivers/rate-limit-driver.js';
import { resolveLease, type Lease, type LeaseOptions } from '../leasing/lease-options.js';
import type { Caller } from '../guard/caller.js';
import type { OutageMode, Policy, PolicyOptions } from './policy.js';
import { resolveBlock } from './resolve-block.js';
import { resolveBy } from './resolve-by.js';
import { ruleId } from './rule-id.js';
import { SHAPES, type RuleShape } from './shapes.js';

/** A policy as it is decided, by name. */
export interface ResolvedPolicy {
  readonly name: string;
  /** What is shown as its limit: how much can be had in a window, or at once. */
  readonly limit: number;
  /** What a single call may cost at most. */
  readonly capacity: number;
  /** Of a call that does not say it. */
  readonly cost: number;
  readonly shadow: boolean;
  readonly onOutage: OutageMode;
  readonly by: NonNullable<PolicyOptions['by']>;
  readonly when: NonNullable<PolicyOptions['when']>;
  readonly block: Block | undefined;
  readonly lease: Lease | undefined;
  /** How long its window is; undefined for concurrency, which has none. */
  readonly perUs: number | undefined;
  /** Where the limit depends on the caller; `limit` is then of no meaning. */
  readonly limitFor: ((caller: Caller) => number | Promise<number>) | undefined;
  /** The highest that its limit could be. */
  readonly mostLimit: number;
  readonly id: number;
  readonly shape: RuleShape;
  /** What it was made from, to make it anew with another limit. */
  readonly source: Policy;
}

/** What `RateLimiter.check` charges. No policy of the options has that name. */
export const CHECK_POLICY = 'check()';

const KINDS = Object.keys(SHAPES) as Policy['kind'][];
const LEASABLE: readonly Policy['kind'][] = ['gcra', 'tokenBucket', 'slidingWindow', 'fixedWindow'];
const MODES = ['enforce', 'shadow'] as const;
const OUTAGE_MODES = ['local', 'open', 'closed'] as const;
const WHENS = ['always', 'failures', 'successes'] as const;

/** @param mistakes where what is wrong is noted, to be told all at once */
export function resolvePolicy(
  name: string,
  raw: Policy,
  path: string,
  onOutage: OutageMode,
  mistakes: string[],
): ResolvedPolicy | undefined {
  const before = mistakes.length;
  const { source, limitFor } = withoutFunction(raw);
  const reader = new OptionsReader(source, path, mistakes);
  if (mistakes.length > before) return undefined;
  const kind = reader.oneOf('kind', KINDS);
  if (!kind) return undefined;
  const { shape, limit, capacity, perUs, mostLimit } = SHAPES[kind](reader, path, mistakes);
  const by = resolveBy(reader, source.by, path, mistakes);
  const block = resolveBlock(reader, source.block, path, mistakes);
  const lease = leaseOf(reader, source, { perUs, capacity: limitFor ? undefined : capacity }, path, mistakes);
  const places = kind === 'concurrency';
  const cost = places ? 1 : reader.integer('cost', 1, 1);
  const when = places ? 'always' : (reader.oneOf('when', WHENS, 'always') ?? 'always');
  const shadow = reader.oneOf('mode', MODES, 'enforce') === 'shadow';
  const mode = reader.oneOf('onOutage', OUTAGE_MODES, onOutage) ?? onOutage;
  reader.rejectUnknown();
  if (mistakes.length > before) return undefined;
  if (cost > capacity && !limitFor) {
    mistakes.push(
      `${path}.cost is ${cost}, more than the ${capacity} that can be had at once. Lower it, or raise that.`,
    );
    return undefined;
  }
  const id = ruleId(kind, name);
  return {
    name,
    limit,
    capacity,
    cost,
    shadow,
    onOutage: mode,
    by,
    when,
    block,
    lease,
    perUs,
    limitFor,
    mostLimit,
    id,
    shape,
    source,
  };
}

/** Of kinds that have none, it is an unknown option. */
function leaseOf(
  reader: OptionsReader,
  source: Policy,
  { perUs, capacity }: { readonly perUs: number | undefined; readonly capacity: number | undefined },
  path: string,
  mistakes: string[],
): Lease | undefined {
  if (!LEASABLE.includes(source.kind) || perUs === undefined) return undefined;
  return resolveLease(reader, (source as { lease?: LeaseOptions }).lease, { perUs, capacity }, path, mistakes);
}

/** A limit that depends on the caller is checked when it is known; until then one stands in for it. */
function withoutFunction(raw: Policy): Pick<ResolvedPolicy, 'source' | 'limitFor'> {
  if (typeof raw !== 'object' || raw === null) return { source: raw, limitFor: undefined };
  const name = limitName(raw);
  const limit = (raw as unknown as Record<string, unknown>)[name];
  if (typeof limit !== 'function') return { source: raw, limitFor: undefined };
  return { source: { ...raw, [name]: 1 }, limitFor: limit as NonNullable<ResolvedPolicy['limitFor']> };
}

/** What the limit of a policy is called among its options. */
export function limitName({ kind }: Policy): 'limit' | 'max' | 'capacity' {
  if (kind === 'concurrency') return 'max';
  return kind === 'tokenBucket' ? 'capacity' : 'limit';
}
