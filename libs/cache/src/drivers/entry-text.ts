// What is stored under a key: a header line, then the value. See docs/wire-format.md.
const VALUE_HEADER = 'n1\n';
const LEASE_HEADER = 'n1;lease=';

/** The longest header, in bytes; enough to tell a value from a lease. */
export const HEADER_BYTES = 9;

export function valueText(value: string): string {
  return VALUE_HEADER + value;
}

export function leaseText(token: string): string {
  return `${LEASE_HEADER}${token}\n`;
}

export function isLease(text: string): boolean {
  return text.startsWith(LEASE_HEADER);
}

/** The value in the text, or undefined for a lease and for what is not an entry of this version. */
export function readValue(text: string | null): string | undefined {
  return text?.startsWith(VALUE_HEADER) ? text.slice(VALUE_HEADER.length) : undefined;
}
