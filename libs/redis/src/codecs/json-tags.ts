export type Tagged = Readonly<Record<`$${string}`, unknown>>;

/** The tag around an object of the caller that looks like a tag itself. */
export const ESCAPED = 'object';

export function tag(name: string, content: unknown): Tagged {
  return { [`$${name}`]: content };
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
