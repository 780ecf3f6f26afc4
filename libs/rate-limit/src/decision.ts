/** What was decided of a call. Times are of the store's clock. */
export interface RateLimitDecision {
  /** Whether the call may go ahead. If not, it was charged to none of its policies. */
  readonly allowed: boolean;
  /** How much more there is, by the policy that has the least. */
  readonly remaining: number;
  /** How long to wait before the same call could be allowed, in milliseconds; 0 when it is. */
  readonly retryAfterMs: number;
  /** When nothing of what was taken counts any more. */
  readonly resetAt: Date;
  /** The names of the policies that deny it; also of those in the shadow, which deny nothing. */
  readonly violated: readonly string[];
  readonly policies: readonly PolicyState[];
  /** Whether Redis could be asked; `false`: `onOutage` has decided. */
  readonly shared: boolean;
}

export interface PolicyState {
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  /** How long until nothing of what was taken counts any more, in milliseconds. */
  readonly resetMs: number;
}
