/** What the processes of a namespace tell each other. */
export type NewsMessage =
  | {
      /** What is known of a subject by its state is out of date: it was reset or unblocked, or got something back. */
      readonly kind: 'forget';
      /** Of the state of the subject. @default that of every subject */
      readonly key?: string;
      /** The rules that it is about. @default all */
      readonly ids?: readonly number[];
    }
  | {
      /** There are other overrides of limits than before. */
      readonly kind: 'overrides';
    };

// Anybody may publish: what is longer is none of ours, and is not even read.
const MOST_BYTES = 4_096;
const MOST_IDS = 100;
const MOST_ID = 32_767;

/** The channel of the news. @param root begins every key */
export function newsChannel(root: string): string {
  return `${root}news`;
}

/** The text of a message, to be published as it is: also by a script, in the same step as what it tells of. */
export function encodeNews(message: NewsMessage): string {
  return JSON.stringify(message);
}

/** Reads a message; undefined for what is none. */
export function parseNews(text: Buffer): NewsMessage | undefined {
  if (text.length > MOST_BYTES) return undefined;
  let message: unknown;
  try {
    message = JSON.parse(text.toString());
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const { kind, key, ids } = message as Record<string, unknown>;
  if (kind === 'overrides') return { kind };
  if (kind !== 'forget' || (key !== undefined && typeof key !== 'string') || !areIds(ids)) return undefined;
  return { kind, ...(key !== undefined && { key }), ...(ids !== undefined && { ids }) };
}

function areIds(ids: unknown): ids is readonly number[] | undefined {
  if (ids === undefined) return true;
  return Array.isArray(ids) && ids.length <= MOST_IDS && ids.every(isId);
}

function isId(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 1 && (id as number) <= MOST_ID;
}
