/** What a warmer is given. */
export interface WarmContext {
  /**
   * Aborts when the application shuts down, and when this instance has lost its turn in the cluster. A task that goes on
   * has two seconds left: then its run counts as failed, whatever it still does.
   */
  readonly signal: AbortSignal;
}

/** Fills the cache as it likes. May return how many entries it has warmed. */
export type WarmTask = (context: WarmContext) => WarmResult;

export type WarmResult = number | void | Promise<number | void>;

/** A registered warmer. */
export interface Warmer {
  readonly name: string;
  readonly task: WarmTask;
  /** How long a run counts for all instances; without it, a warmer runs at boot and when asked. */
  readonly everyMs: number | undefined;
  /** Where it was declared: `EventsService.warm() in CatalogueModule`. */
  readonly place: string;
}
