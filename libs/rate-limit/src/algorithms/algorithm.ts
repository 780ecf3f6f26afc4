/** How a rule sees a call, at a moment. `State` is never changed in place. */
export interface Evaluation<State> {
  readonly ok: boolean;
  /** 0 when `ok`. */
  readonly retryUs: number;
  /** As it is without the call. */
  readonly before: Standing;
  /** As it is with the call; undefined unless `ok`. */
  readonly after: (Standing & { readonly state: State }) | undefined;
}

export interface Standing {
  readonly remaining: number;
  /** How long until nothing counts any more. */
  readonly resetUs: number;
}
