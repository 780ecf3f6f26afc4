import { formatAddress, parseAddress, type Address } from './address.js';

/** A prefix length, and how many times the limit of a policy is that of such a network. */
export interface IpPrefix {
  readonly bits: number;
  readonly times: number;
}

/** By which networks addresses are limited, the narrowest first. */
export interface IpPrefixes {
  readonly v4: readonly IpPrefix[];
  readonly v6: readonly IpPrefix[];
}

export interface IpNetwork {
  readonly subject: string;
  readonly times: number;
}

/** Of everybody whose address is not known: together they have one limit, so that it is no way around it. */
export const UNKNOWN_ADDRESS = 'ip:unknown';

const V4_BITS = 32;
const V6_BITS = 128;
const PART_BITS = 16;
const BEGINS = 'ip:';

/** The networks of an address that limits apply to, the narrowest first; what is no address is {@link UNKNOWN_ADDRESS}. */
export function networksOf(address: string, prefixes: IpPrefixes): readonly IpNetwork[] {
  const parsed = parseAddress(address);
  if (parsed === undefined) return [{ subject: UNKNOWN_ADDRESS, times: 1 }];
  return prefixesOf(parsed, prefixes).map(({ bits, times }) => ({ subject: subjectOf(parsed, bits), times }));
}

/**
 * The widest network that holds the one of a subject, as a subject: the same for all networks of a caller.
 *
 * @returns undefined for what {@link networksOf} does not make
 */
export function ipGroupOf(subject: string, prefixes: IpPrefixes): string | undefined {
  if (!subject.startsWith(BEGINS)) return undefined;
  const slash = subject.indexOf('/');
  const address = parseAddress(subject.slice(BEGINS.length, slash === -1 ? undefined : slash));
  if (address === undefined) return undefined;
  const known = prefixesOf(address, prefixes);
  const bits = slash === -1 ? mostBits(address) : Number(subject.slice(slash + 1));
  if (!known.some((prefix) => prefix.bits === bits) || subjectOf(address, bits) !== subject) return undefined;
  const widest = known.at(-1)!.bits;
  return bits === widest ? subject : subjectOf(address, widest);
}

/** How many times the limit of a policy a subject has: more than once for a wide network. */
export function timesOf(subject: string, prefixes: IpPrefixes): number {
  const slash = subject.indexOf('/');
  if (slash === -1 || !subject.startsWith(BEGINS)) return 1;
  const address = parseAddress(subject.slice(BEGINS.length, slash));
  const bits = Number(subject.slice(slash + 1));
  const known = address !== undefined && subjectOf(address, bits) === subject && prefixesOf(address, prefixes);
  return (known && known.find((prefix) => prefix.bits === bits)?.times) || 1;
}

function prefixesOf(address: Address, { v4, v6 }: IpPrefixes): readonly IpPrefix[] {
  return typeof address === 'string' ? v4 : v6;
}

function mostBits(address: Address): number {
  return typeof address === 'string' ? V4_BITS : V6_BITS;
}

function subjectOf(address: Address, bits: number): string {
  if (bits === mostBits(address)) return BEGINS + formatAddress(address);
  const network = typeof address === 'string' ? maskV4(address, bits) : maskV6(address, bits);
  return `${BEGINS}${formatAddress(network)}/${bits}`;
}

function maskV4(address: string, bits: number): string {
  return address
    .split('.')
    .map((octet, index) => Number(octet) & maskOf(bits - index * 8, 8))
    .join('.');
}

function maskV6(parts: readonly number[], bits: number): number[] {
  return parts.map((part, index) => part & maskOf(bits - index * PART_BITS, PART_BITS));
}

/** The first `bits` of so many. */
function maskOf(bits: number, of: number): number {
  const kept = Math.min(of, Math.max(0, bits));
  return ((1 << of) - 1) & ~((1 << (of - kept)) - 1);
}
