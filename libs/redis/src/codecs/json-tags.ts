export type Tagged = Readonly<Record<`$${string}`, unknown>>;

/** The tag around an object of the caller that looks like a tag itself. */
export const ESCAPED = 'object';

/** Begins the tag of an instance; the name of its type follows. */
export const TYPE_PREFIX = 'type:';

export function tag(name: string, content: unknown): Tagged {
  return { [`$${name}`]: content };
}

/** Assignment, except that `__proto__` becomes a property like any other. */
export function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

type Reviver = (content: unknown, revive: (value: unknown) => unknown) => unknown;

export const REVIVERS: Readonly<Record<string, Reviver | undefined>> = Object.assign(Object.create(null) as object, {
  date: (content: unknown) => new Date(content === null ? Number.NaN : String(content)),
  bigint: (content: unknown) => BigInt(String(content)),
  number: (content: unknown) => Number(content),
  undefined: () => undefined,
  buffer: (content: unknown) => Buffer.from(String(content), 'base64'),
  bytes: (content: unknown) => new Uint8Array(Buffer.from(String(content), 'base64')),
  set: (content: unknown, revive: (value: unknown) => unknown) => new Set((content as unknown[]).map(revive)),
  map: (content: unknown, revive: (value: unknown) => unknown) =>
    new Map((content as unknown[][]).map((entry) => entry.map(revive) as [unknown, unknown])),
});
