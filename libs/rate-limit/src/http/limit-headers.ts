import type { CallPart } from '../call.js';
import type { RateLimitDecision } from '../decision.js';
import type { ResponseHeaders } from '../guard/guard.tokens.js';
import type { PartitionKeys } from './partition-key.js';
import { rateLimitHeaders, type HeaderOptions } from './rate-limit-headers.js';

/** The headers of responses, with a partition key for each subject. */
export class LimitHeaders implements ResponseHeaders {
  constructor(
    private readonly style: HeaderOptions['style'],
    private readonly partitionKeys: PartitionKeys,
  ) {}

  of(parts: readonly CallPart[], decision: RateLimitDecision): Record<string, string> {
    const draft = this.style === 'draft' || this.style === 'both';
    const policies = parts.map(({ policy: { name, perUs, shadow, shape }, subject }, index) => ({
      name,
      // As it was decided: another may be in force for the subject.
      limit: decision.policies[index]?.limit ?? 0,
      perUs,
      shadow,
      evenly: shape.kind === 'gcra',
      ...(draft && { partitionKey: this.partitionKeys.of(subject) }),
    }));
    return rateLimitHeaders(decision, policies, { style: this.style });
  }
}
