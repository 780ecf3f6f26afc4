/** A reply that must be text: `INFO`, `CLUSTER NODES`, `PING`. @throws if it is anything else. */
export function textOf(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  throw new Error(`Expected a text reply of Redis, got ${JSON.stringify(reply)}`);
}

/** A reply that must be an array. @throws if it is anything else. */
export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new Error(`Expected an array reply of Redis, got ${JSON.stringify(reply)}`);
}

/** The `name:value` lines of `INFO` and `CLUSTER INFO`. */
export function infoOf(reply: unknown): Readonly<Record<string, string>> {
  const pairs = textOf(reply)
    .split('\r\n')
    .filter((line) => line.includes(':') && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return Object.fromEntries(pairs);
}

/** A flat `[name, value, ...]` reply, as `SENTINEL MASTER` gives it. */
export function fieldsOf(reply: unknown): Readonly<Record<string, string>> {
  const flat = listOf(reply).map(String);
  const names = flat.filter((_, index) => index % 2 === 0);
  return Object.fromEntries(names.map((name, index) => [name, flat[index * 2 + 1] ?? '']));
}
