import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An IPv4 address as text, or the eight parts of an IPv6 one. */
export type Address = string | readonly number[];

// The longest is a bracketed IPv6 address with a zone and a port.
const LONGEST = 128;
const BRACKETED = /^\[([^\]]*)\](?::\d{1,5})?$/;
const WITH_PORT = /^([\d.]+):\d{1,5}$/;

/**
 * Reads an address in any of the forms that proxies and sockets write. An IPv4 address in an IPv6 one, mapped or by the
 * well-known prefix of NAT64 (RFC 6052), is that IPv4 address, so that nobody has a second one.
 *
 * @returns undefined for what is no address
 */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return text;
  if (text.length > LONGEST) return undefined;
  const bare = withoutZone(withoutPort(text.trim()));
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return undefined;
  const { parts } = ipaddr.IPv6.parse(bare);
  return isMapped(parts) || isTranslated(parts) ? lastAsIPv4(parts) : parts;
}

/** The one way to write an address; IPv6 by RFC 5952. */
export function formatAddress(address: Address): string {
  return typeof address === 'string' ? address : new ipaddr.IPv6([...address]).toString();
}

/**
 * The same text for the same address, however it came: `[2001:DB8:0::1%eth0]:443` is `2001:db8::1`, and `::ffff:192.0.2.1` is
 * `192.0.2.1`.
 *
 * @returns undefined for what is no address
 */
export function normalizeAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

function withoutPort(text: string): string {
  return (BRACKETED.exec(text) ?? WITH_PORT.exec(text))?.[1] ?? text;
}

function withoutZone(text: string): string {
  const at = text.indexOf('%');
  return at === -1 ? text : text.slice(0, at);
}

function isMapped(parts: readonly number[]): boolean {
  return parts[5] === 0xff_ff && parts.slice(0, 5).every((part) => part === 0);
}

function isTranslated(parts: readonly number[]): boolean {
  return parts[0] === 0x64 && parts[1] === 0xff_9b && parts.slice(2, 6).every((part) => part === 0);
}

function lastAsIPv4(parts: readonly number[]): string {
  const [high, low] = [parts[6]!, parts[7]!];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}
