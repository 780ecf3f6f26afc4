import type { RateLimitDecision } from '../decision.js';
import type { HeaderPolicy } from './rate-limit-headers.js';

/** The body of a denial by RFC 9457, `application/problem+json`. The same for GraphQL, WebSocket and RPC. */
export interface RateLimitProblem {
  readonly type: string;
  readonly title: string;
  readonly status: 429;
  readonly detail: string;
  /** The names of the policies that deny the call. */
  readonly 'violated-policies': readonly string[];
  /** How long to wait, in milliseconds; at least 1. */
  readonly retryAfterMs: number;
}

/** Registered by draft-ietf-httpapi-ratelimit-headers-11, section 5.1; the title is the one of its example. */
const TYPE = 'https://iana.org/assignments/http-problem-types#quota-exceeded';
const TITLE = 'Request cannot be satisfied as assigned quota has been exceeded';

const MS_PER_S = 1_000;

/**
 * What a caller is told of a denial: which policies, and how long to wait. Nothing of the subject.
 *
 * @param policies those of the decision: what is in the shadow is not told of
 */
export function problemOf(
  { violated, retryAfterMs }: Pick<RateLimitDecision, 'violated' | 'retryAfterMs'>,
  policies: readonly Pick<HeaderPolicy, 'name' | 'shadow'>[],
): RateLimitProblem {
  const inShadow = new Set(policies.filter(({ shadow }) => shadow).map(({ name }) => name));
  const names = [...new Set(violated)].filter((name) => !inShadow.has(name));
  const waitMs = Math.max(1, Math.ceil(retryAfterMs));
  return {
    type: TYPE,
    title: TITLE,
    status: 429,
    detail: detailOf(names, Math.ceil(waitMs / MS_PER_S)),
    'violated-policies': names,
    retryAfterMs: waitMs,
  };
}

function detailOf(names: readonly string[], seconds: number): string {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  const what =
    names.length > 1 ? `The limits ${quoted} are` : names.length === 1 ? `The limit ${quoted} is` : 'A limit is';
  return `${what} reached. Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
}
