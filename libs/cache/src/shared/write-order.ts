/** A write that is being prepared. */
export interface WriteTurn {
  readonly name: string;
  /** What was asked for later is on its way, or done. */
  overtaken: boolean;
}

/**
 * Keeps the writes of this process to one key in the order in which they were asked for: making a value ready to be
 * stored may take a while, and what is asked for meanwhile is what counts.
 */
export class WriteOrder {
  readonly #preparing = new Map<string, Set<WriteTurn>>();

  /** Returns the turn of a write that is being prepared. */
  enter(name: string): WriteTurn {
    const turn = { name, overtaken: false };
    const turns = this.#preparing.get(name);
    if (turns) turns.add(turn);
    else this.#preparing.set(name, new Set([turn]));
    return turn;
  }

  /** The preparation is over. Returns whether it may go on its way: nothing that was asked for later has done so. */
  leave(turn: WriteTurn): boolean {
    for (const earlier of this.#preparing.get(turn.name) ?? []) {
      if (earlier === turn) break;
      if (!turn.overtaken) earlier.overtaken = true;
    }
    this.drop(turn);
    return !turn.overtaken;
  }

  /** The write is not made. */
  drop(turn: WriteTurn): void {
    const turns = this.#preparing.get(turn.name);
    turns?.delete(turn);
    if (turns?.size === 0) this.#preparing.delete(turn.name);
  }

  /** Something that needs no preparation was asked for. */
  overtake(name: string): void {
    this.#preparing.get(name)?.forEach((turn) => (turn.overtaken = true));
  }

  overtakeMatching(pattern: RegExp): void {
    for (const name of this.#preparing.keys()) if (pattern.test(name)) this.overtake(name);
  }
}
