// What an Integer of RFC 9651 holds: 15 digits.
const MOST = 999_999_999_999_999;

/** An Integer of RFC 9651: rounded up, and kept between `least` and what such a field can hold. */
export function integerItem(value: number, least: number): string {
  return String(value > least ? Math.min(MOST, Math.ceil(value)) : least);
}

/**
 * A String of RFC 9651, which holds printable ASCII only: quotes and backslashes are escaped, and everything else is
 * percent-encoded, so that no name can end the field or begin another.
 */
export function stringItem(text: string): string {
  const ascii = text.replaceAll(/[^\x20-\x7E]+/g, percentEncode);
  return `"${ascii.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** A Byte Sequence of RFC 9651. @param base64 with its padding */
export function bytesItem(base64: string): string {
  return `:${base64}:`;
}

function percentEncode(text: string): string {
  return Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
