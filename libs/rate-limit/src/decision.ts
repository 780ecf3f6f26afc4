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
  /** In the order in which they were decided; a policy that limits several subjects of a call is there for each. */
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
  /** Whether it denies the call, for the subject that it is about; in the shadow: whether it would. */
  readonly denies: boolean;
}
