/** How long ago a write may be that a failover has lost: far longer than any healthy replica lags behind. */
const KEPT_MS = 10_000;
const MAX_NOTES = 10_000;

/**
 * What this process has written or invalidated a moment ago. A replica that is promoted may not have heard of it, and
 * would serve what was there before.
 */
export class RecentWrites {
  #notes = new Map<string, number>();
  #tags = new Map<string, number>();

  note(names: Iterable<string>): void {
    for (const name of names) put(this.#notes, name);
  }

  noteTags(tags: Iterable<string>): void {
    for (const tag of tags) put(this.#tags, tag);
  }

  take(): { readonly names: string[]; readonly tags: string[] } {
    const since = performance.now() - KEPT_MS;
    const taken = [this.#notes, this.#tags].map((notes) =>
      [...notes].filter(([, at]) => at > since).map(([note]) => note),
    );
    this.#notes = new Map();
    this.#tags = new Map();
    return { names: taken[0]!, tags: taken[1]! };
  }
}

function put(notes: Map<string, number>, note: string): void {
  notes.delete(note);
  notes.set(note, performance.now());
  if (notes.size > MAX_NOTES) notes.delete(notes.keys().next().value!);
}
