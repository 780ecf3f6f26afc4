/** What is found at the end of a path; undefined where the path breaks off. */
export function propertyAt(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at ?? undefined;
}
