/**
 * Decides which instance of the cluster runs a warmer.
 *
 * Invariant: between `granted` and the end or the loss of that turn no other instance is granted one of the same name.
 */
export interface WarmTurns {
  /**
   * @param mode `'due'`: its time has come, so a run of another instance within `every` will do. `'asked'`: it will not.
   * @throws RedisUnreachableError, RedisTimeoutError
   */
  take(name: string, mode: WarmMode): Promise<WarmTurnReply>;
}

export type WarmMode = 'due' | 'asked';

export type WarmTurnReply =
  | { readonly state: 'granted'; readonly turn: WarmTurn }
  | { readonly state: 'running' }
  | { readonly state: 'fresh'; /** Milliseconds. */ readonly forMs: number };

export interface WarmTurn {
  /** Calls back, at most once, when another instance may have the turn by now. */
  onLost(listener: () => void): void;
  /** Lets others run; those whose time has come only when `freshForMs` have passed. Never rejects. */
  end(freshForMs: number): Promise<void>;
}

/** Without Redis there is one instance, and it always has the turn. */
export class EmbeddedWarmTurns implements WarmTurns {
  async take(): Promise<WarmTurnReply> {
    return { state: 'granted', turn: { onLost: () => undefined, end: async () => undefined } };
  }
}
