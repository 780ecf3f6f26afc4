/** How long ago a write may be that a failover has lost: a master that is cut off takes writes until it is found out. */
const KEPT_MS = 60_000;
const MAX_NOTES = 50_000;

/**
 * What this process has written or invalidated a moment ago. A replica that is promoted may not have heard of it, and
 * would serve what was there before.
 */
export class RecentWrites {
  readonly #notes = new Map<string, number>();
  readonly #tags = new Map<string, number>();

  note(names: Iterable<string>): void {
    for (const name of names) put(this.#notes, name);
  }

  noteTags(tags: Iterable<string>): void {
    for (const tag of tags) put(this.#tags, tag);
  }

  /** What has to be told once more. That it is told is as recent as it can be: another failover may lose it. */
  take(): { readonly names: string[]; readonly tags: string[] } {
    const [names, tags] = [recent(this.#notes), recent(this.#tags)];
    this.note(names);
    this.noteTags(tags);
    return { names, tags };
  }
}

function recent(notes: ReadonlyMap<string, number>): string[] {
  const since = performance.now() - KEPT_MS;
  return [...notes].filter(([, at]) => at > since).map(([note]) => note);
}

function put(notes: Map<string, number>, note: string): void {
  notes.delete(note);
  notes.set(note, performance.now());
  if (notes.size > MAX_NOTES) notes.delete(notes.keys().next().value!);
}
