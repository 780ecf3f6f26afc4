import type { PolicyState, RateLimitDecision } from '../decision.js';
import { bytesItem, integerItem, stringItem } from './structured-fields.js';

/** What the headers say of a policy. */
export interface HeaderPolicy {
  readonly name: string;
  readonly limit: number;
  /** How long its window is, in microseconds; undefined for a policy that counts calls under way. */
  readonly perUs: number | undefined;
  /** Whether it gives back evenly, one by one, as `gcra` and `tokenBucket` do. @default false */
  readonly evenly?: boolean;
  /** In base64; see PartitionKeys. @default none is shown */
  readonly partitionKey?: string;
  /** What denies nothing is not shown. @default false */
  readonly shadow?: boolean;
}

export interface HeaderOptions {
  /** `false`: only `Retry-After`, on a denial. */
  readonly style: 'draft' | 'legacy' | 'both' | false;
}

/** A policy of the call with what was decided of it. */
interface Shown {
  readonly policy: HeaderPolicy;
  readonly state: PolicyState;
  readonly denies: boolean;
}

const US_PER_S = 1_000_000;
const MS_PER_S = 1_000;

/**
 * What the response to a call says of its limits, by the names of the headers. A denial always has a `Retry-After`.
 *
 * `'draft'`: `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11; `'legacy'`: `X-RateLimit-Limit`,
 * `-Remaining` and `-Reset` (in seconds) of the tightest policy.
 *
 * @param policies those of the decision, in its order
 */
export function rateLimitHeaders(
  decision: RateLimitDecision,
  policies: readonly HeaderPolicy[],
  { style }: HeaderOptions,
): Record<string, string> {
  const shown = shownOf(decision, policies);
  const headers: Record<string, string> = {};
  if (shown.length > 0 && (style === 'draft' || style === 'both')) {
    headers['RateLimit-Policy'] = shown.map(policyItem).join(', ');
    headers['RateLimit'] = shown.map((one) => limitItem(one, decision)).join(', ');
  }
  if (shown.length > 0 && (style === 'legacy' || style === 'both')) {
    const { policy, state, denies } = shown.toSorted(byTightness)[0]!;
    headers['X-RateLimit-Limit'] = integerItem(policy.limit, 0);
    headers['X-RateLimit-Remaining'] = integerItem(state.remaining, 0);
    const resetMs = denies ? Math.max(state.resetMs, decision.retryAfterMs) : state.resetMs;
    headers['X-RateLimit-Reset'] = integerItem(resetMs / MS_PER_S, 0);
  }
  if (!decision.allowed) headers['Retry-After'] = retryAfter(decision);
  return headers;
}

function shownOf({ allowed, policies: states }: RateLimitDecision, policies: readonly HeaderPolicy[]): Shown[] {
  const shown: Shown[] = [];
  for (const [index, policy] of policies.entries()) {
    const state = states[index];
    if (!state || policy.shadow) continue;
    shown.push({ policy, state, denies: !allowed && state.denies });
  }
  return shown;
}

function policyItem({ policy }: Shown): string {
  const { name, limit, perUs } = policy;
  const quota = `${stringItem(name)};q=${integerItem(limit, 0)}`;
  // Rounded up: a window that looks longer than it is makes nobody come too early.
  const window = perUs === undefined ? ';qu="concurrent-requests"' : `;w=${integerItem(perUs / US_PER_S, 1)}`;
  return quota + window + partitionOf(policy);
}

function limitItem(one: Shown, decision: RateLimitDecision): string {
  const { policy, state } = one;
  const window = effectiveWindow(one, decision);
  const rest = `${window === undefined ? '' : `;t=${window}`}${partitionOf(policy)}`;
  return `${stringItem(policy.name)};r=${integerItem(state.remaining, 0)}${rest}`;
}

/**
 * Within how many seconds the client may use what remains, and no more. Never so short that what remains looks like a higher
 * rate than that of the policy, and never longer than `Retry-After`, which must not point into it (section 6 of the draft).
 */
function effectiveWindow({ policy, state, denies }: Shown, decision: RateLimitDecision): string | undefined {
  if (denies) return retryAfter(decision);
  const { limit, perUs, evenly } = policy;
  if (!decision.allowed || perUs === undefined) return undefined;
  const inSeconds = (units: number): number => (units * perUs) / (limit * US_PER_S);
  if (evenly) return integerItem(inSeconds(Math.max(1, state.remaining)), 1);
  return integerItem(Math.max(state.resetMs / MS_PER_S, inSeconds(state.remaining)), 1);
}

function partitionOf({ partitionKey }: HeaderPolicy): string {
  return partitionKey === undefined ? '' : `;pk=${bytesItem(partitionKey)}`;
}

function retryAfter({ retryAfterMs }: RateLimitDecision): string {
  return integerItem(retryAfterMs / MS_PER_S, 1);
}

/** What denies comes first, then what has least left. Calls under way come last, as what is left of them says no rate. */
function byTightness(a: Shown, b: Shown): number {
  return (
    Number(b.denies) - Number(a.denies) ||
    Number(a.policy.perUs === undefined) - Number(b.policy.perUs === undefined) ||
    a.state.remaining - b.state.remaining ||
    b.state.resetMs - a.state.resetMs
  );
}
