/** A number of bytes with its unit, in powers of 1024: `'512B'`, `'16KB'`, `'64MB'`, `'1GB'`. */
export type Bytes = `${number}${'B' | 'KB' | 'MB' | 'GB'}`;

const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/**
 * Reads a size as whole bytes.
 *
 * @throws RangeError that names `what`, the value and the fix.
 */
export function parseBytes(value: unknown, what: string): number {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(B|KB|MB|GB)$/.exec(value.trim()) : null;
  const bytes = match ? Math.round(Number(match[1]) * BYTES_PER_UNIT[match[2] as string]!) : Number.NaN;
  if (bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
  throw new RangeError(`${what} is ${shown}. Write a positive number with its unit, for example '16KB' or '64MB'.`);
}
