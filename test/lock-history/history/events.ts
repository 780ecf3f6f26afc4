/**
 * What a process writes down, one line each. `at` is {@link machineTime}. Events of a call come in pairs, before it and after its answer, so what
 * the store has done lies between them.
 */
export type HistoryEvent = AttemptEvent | StoreEvent | ProcessEvent;

/** What the user of a lock does and sees; `attempt` counts the attempts of the process. */
export type AttemptEvent = { readonly at: number; readonly attempt: number } & (
  | {
      readonly what: 'asked';
      readonly how: 'acquire' | 'try' | 'with';
      readonly keys: readonly string[];
      readonly ttlMs: number;
      readonly waitMs: number;
    }
  | { readonly what: 'granted'; readonly token: string; readonly validForMs: number }
  | { readonly what: 'refused'; readonly why: string }
  /** The mark of who wrote last to what the lock protects, as it was read. */
  | { readonly what: 'read'; readonly found: string }
  /** The clock was read before assertHeld() was called. */
  | { readonly what: 'checked'; readonly held: boolean }
  /** The mark was read again, and then overwritten. */
  | { readonly what: 'wrote'; readonly found: string }
  /** What the fenced resource answered; `sentAt` is when it was asked. */
  | { readonly what: 'fenced'; readonly accepted: boolean; readonly sentAt: number }
  | { readonly what: 'aborted'; readonly why: string }
  | { readonly what: 'left' }
  | { readonly what: 'releasing' }
  | { readonly what: 'released'; readonly outcome: string }
);

/** What passes between a process and the store of the locks, by the ids of the claims. Tokens are decimal; `since` is machine time. */
export type StoreEvent = { readonly at: number } & (
  | { readonly what: 'claiming'; readonly claims: readonly ClaimSeen[] }
  | {
      readonly what: 'claimed';
      readonly ids: readonly string[];
      readonly state: 'granted' | 'waiting' | 'busy' | 'failed';
      readonly sentAt: number;
      readonly token?: string;
      readonly since?: number;
    }
  | {
      readonly what: 'beaten';
      readonly ids: readonly string[];
      readonly sentAt: number;
      readonly since: number;
      readonly tokens: readonly (string | null)[];
      /** The last of the lock. */
      readonly lastToken: string;
    }
  /** Told of a grant by a message, or by the reply to a release. */
  | { readonly what: 'told'; readonly id: string; readonly token: string }
  | { readonly what: 'leaving'; readonly id: string }
  | { readonly what: 'gone'; readonly id: string }
  | {
      readonly what: 'renewed';
      readonly ids: readonly string[];
      readonly ttls: readonly number[];
      readonly states: readonly string[];
      readonly since: readonly (number | null)[];
      readonly tokens: readonly (string | null)[];
    }
  | { readonly what: 'ending'; readonly ids: readonly string[] }
  | { readonly what: 'ended'; readonly ids: readonly string[]; readonly outcome: string }
);

export interface ClaimSeen {
  readonly id: string;
  readonly key: string;
  readonly ttlMs: number;
}

export type ProcessEvent = { readonly at: number } & (
  | { readonly what: 'started'; readonly pid: number }
  /** Nothing ran in this process from then until now. */
  | { readonly what: 'stalled'; readonly from: number }
  /** It kills, stops or blocks itself next. */
  | { readonly what: 'fault'; readonly fault: Fault; readonly when: Moment }
  /** An operator's forceRelease; `sentAt` is when it was called. */
  | { readonly what: 'forced'; readonly key: string; readonly holds: number; readonly sentAt: number }
  | { readonly what: 'trouble'; readonly message: string }
  | { readonly what: 'finished' }
);

/** What a process does to itself: SIGKILL, SIGSTOP, or a loop that blocks it. */
export type Fault = 'die' | 'stop' | 'block';

/** Exactly when: in the section; after it made sure that it holds the lock, before it writes; in the queue; told of the grant. */
export type Moment = 'holding' | 'writing' | 'queued' | 'handed';

/** Milliseconds of CLOCK_MONOTONIC, the same in every process of the machine. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
