import { UnreadableValueError } from './unreadable-value.error.js';

/** How a body is written, in the order of the work: encoded, compressed, encrypted. */
export interface FormatFields {
  readonly codec: string;
  readonly compression: string | undefined;
  readonly keyId: string | undefined;
}

/** The codec of a body whose format names none. */
const DEFAULT_CODEC = 'json';

// In this order, each at most once, so that there is one text for each way to write.
const FORMAT =
  /^(?:c=(?<codec>[^;\n]+)(?:;(?!$)|$))?(?:z=(?<compression>[^;\n]+)(?:;(?!$)|$))?(?:k=(?<keyId>[^;\n]+))?$/;

/** The format of a body that is neither compressed nor encrypted. */
export function plainFormat(codec: string): string {
  return codec === DEFAULT_CODEC ? '' : `c=${codec}`;
}

/** The format with one more step of the work: `z` after compression, `k` after encryption. */
export function withField(format: string, name: 'z' | 'k', value: string): string {
  return format === '' ? `${name}=${value}` : `${format};${name}=${value}`;
}

/** @throws UnreadableValueError for a field that is unknown, empty, doubled or out of order. */
export function readFields(key: string, format: string): FormatFields {
  const groups = FORMAT.exec(format)?.groups;
  if (!groups) {
    throw new UnreadableValueError(
      key,
      `This version does not know its format ${JSON.stringify(format.slice(0, 60))}. Update this process, or delete the entry.`,
    );
  }
  return {
    codec: groups['codec'] ?? DEFAULT_CODEC,
    compression: groups['compression'],
    keyId: groups['keyId'],
  };
}
