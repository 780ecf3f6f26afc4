/** From when until when, in machine time. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What was done to the servers and to the network during a history, and what follows for what may be expected. */
export interface Conditions {
  /** A waiter who is not heard of for so long has no place any more, and a grant that is handed on is worth that at most. */
  readonly liveMs: number;
  /** An abort comes at most so long before it needs to. */
  readonly earlyMs: number;
  /** What a machine under load may take for anything that should take no time. */
  readonly slackMs: number;
  /** A lock that is free goes to who waits for it within this, even if the message of it was lost. */
  readonly beatMs: number;
  /** After an outage, a process has its connection back within this. */
  readonly recoveryMs: number;
  /** While these lasted, the store could not be reached: by a process, or by none. */
  readonly outages: readonly Outage[];
  /** Around these, a server became the master that did not have all that the former had confirmed. */
  readonly losses: readonly Window[];
}

export interface Outage extends Window {
  readonly process?: string;
}
