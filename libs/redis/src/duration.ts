/** A length of time with its unit: `'250ms'`, `'30s'`, `'15m'`, `'12h'`, `'7d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration as whole milliseconds.
 *
 * @throws RangeError that names `what`, the value and the fix, for anything but a positive number with a unit:
 * a bare number has no unit, and guessing one is how a TTL of a minute becomes a TTL of 16 hours.
 */
export function parseDuration(value: unknown, what: string): number {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value.trim()) : null;
  const ms = match ? Math.round(Number(match[1]) * MS_PER_UNIT[match[2] as string]!) : Number.NaN;
  if (ms >= 1 && ms <= Number.MAX_SAFE_INTEGER) return ms;
  throw new RangeError(`${what} is ${describe(value)}. ${suggestion(value)}`);
}

function suggestion(value: unknown): string {
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
  if (Number.isFinite(number) && number >= 1 && value !== '') {
    const seconds = number % 1_000 === 0 ? ` (or '${number / 1_000}s')` : '';
    return `Write the unit: '${Math.round(number)}ms'${seconds}.`;
  }
  return `Write a positive number with its unit, for example '250ms', '30s', '15m', '12h' or '7d'.`;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return typeof value === 'number' || value === undefined || value === null ? String(value) : `of type ${typeof value}`;
}
