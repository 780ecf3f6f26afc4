import { normalizeAddress } from './address.js';

/**
 * The address of the other side of a request of Express, Fastify or `node:http`, as the application trusts it. Where a trusted
 * proxy has passed on what is no address, it is that of the proxy: who sends such things gets no limit of their own by it.
 *
 * @returns undefined where there is none: on a Unix socket, or once the other side is gone
 */
export function addressOf(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null) return undefined;
  const { ip, socket } = request as { ip?: unknown; socket?: { remoteAddress?: unknown } | null };
  return known(ip) ?? known(socket?.remoteAddress);
}

function known(address: unknown): string | undefined {
  return typeof address === 'string' ? normalizeAddress(address) : undefined;
}
