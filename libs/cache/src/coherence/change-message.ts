/** One message of the log of changes. Its ID is `<sequence number>-<random number>`. */
export interface ChangeMessage {
  /** The ID of the message before it: who has seen that one has missed none. */
  readonly after: string;
  readonly id: string;
  readonly keys: readonly string[];
}

// No more digits than a number, and a stream, can take whoever has chosen them.
const ID = /^\d{1,15}-\d{1,15}$/;

/** Reads a message; undefined for what is none, since anybody may have published it. */
export function parseMessage(text: string): ChangeMessage | undefined {
  let message: Partial<Record<keyof ChangeMessage, unknown>> | null;
  try {
    message = JSON.parse(text) as typeof message;
  } catch {
    return undefined;
  }
  return isMessage(message) ? message : undefined;
}

/** The place of a message in its log. */
export function sequenceOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')));
}

function isMessage(message: Partial<Record<keyof ChangeMessage, unknown>> | null): message is ChangeMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { after, id, keys } = message;
  return isId(after) && isId(id) && Array.isArray(keys) && keys.every((key) => typeof key === 'string');
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && ID.test(id);
}
