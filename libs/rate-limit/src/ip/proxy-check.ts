import { Logger, type LoggerService } from '@nestjs/common';
import { normalizeAddress } from './address.js';
import { trustOfExpress, trustOfFastify, trustsEverybody, type ProxyTrust } from './proxy-trust.js';

/** What is needed of an HTTP adapter of Nest. */
export interface HttpAdapterLike {
  getType(): string;
  getInstance(): unknown;
}

interface RequestLike {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly socket?: { readonly remoteAddress?: unknown; readonly destroyed?: unknown } | null;
  readonly app?: unknown;
  readonly server?: unknown;
  readonly raw?: unknown;
  readonly ips?: unknown;
}

const REQUESTS = 1_000;
const SETTING = { Express: '"trust proxy"', Fastify: '"trustProxy"' } as const;
const HEADERS = {
  'x-forwarded-for': 'X-Forwarded-For',
  forwarded: 'Forwarded',
  'x-real-ip': 'X-Real-IP',
  'cf-connecting-ip': 'CF-Connecting-IP',
} as const;

/**
 * Warns, once, where limits by address would be those of a proxy, or of whatever address a caller makes up. It looks at the
 * first thousand requests only: by then a proxy has shown itself, and what comes later is more likely forged.
 */
export class ProxyCheck {
  readonly #logger: Pick<LoggerService, 'warn'>;
  #requestsLeft = REQUESTS;

  /** @param logger @default that of Nest */
  constructor(logger: Pick<LoggerService, 'warn'> = new Logger('RateLimitModule')) {
    this.#logger = logger;
  }

  /** Warns of a server that believes everybody. Call it when the application is set up. */
  atBoot(adapter: HttpAdapterLike | undefined): void {
    const trust = adapter && trustOfAdapter(adapter);
    if (!trust || !trustsEverybody(trust)) return;
    this.#requestsLeft = 0;
    this.#logger.warn(
      `${trust.server} trusts every proxy (${SETTING[trust.server]}), so whoever calls it can choose an address by the header ` +
        `X-Forwarded-For, and gets a fresh limit with each. Say which proxies are yours: ${fixFor(trust.server, '10.0.0.7')}.`,
    );
  }

  /** Warns of a server that believes nobody, and is behind a proxy all the same. Costs a comparison once that is known. */
  atRequest(request: unknown): void {
    if (this.#requestsLeft === 0) return;
    this.#requestsLeft -= 1;
    if (typeof request !== 'object' || request === null) return;
    const trust = trustOfRequest(request);
    // Of a connection that is gone nobody knows any more whose it was.
    if (!trust || (request as RequestLike).socket?.destroyed === true) return;
    const header = proxyHeaderOf(request);
    if (trust.any && !countsInVain(trust, request)) {
      // That does not change while it runs. Only what a number of hops does cannot be told without a header.
      if (header !== undefined || typeof trust.setting !== 'number') this.#requestsLeft = 0;
    } else if (header !== undefined) {
      this.#requestsLeft = 0;
      this.#logger.warn(messageOf(trust, header, request));
    }
  }
}

function trustOfAdapter(adapter: HttpAdapterLike): ProxyTrust | undefined {
  if (adapter.getType() === 'express') return trustOfExpress(adapter.getInstance());
  return adapter.getType() === 'fastify' ? trustOfFastify(adapter.getInstance()) : undefined;
}

function trustOfRequest({ app, server, raw, ips }: RequestLike): ProxyTrust | undefined {
  const express = trustOfExpress(app);
  if (express || server === undefined || raw === undefined) return express;
  // Fastify has `ips` only where it believes somebody.
  return { ...trustOfFastify(server), any: Array.isArray(ips) };
}

/** The name only: its value is of whoever calls, and has no place in a log. */
function proxyHeaderOf({ headers }: RequestLike): string | undefined {
  if (headers === undefined) return undefined;
  for (const [name, shown] of Object.entries(HEADERS)) if (headers[name] !== undefined) return shown;
  return undefined;
}

/** Newer Fastify takes a number of hops, and believes nobody by it, as it does not say who is a proxy. */
function countsInVain({ server, setting }: ProxyTrust, { headers, ips }: RequestLike): boolean {
  const isTold = headers?.['x-forwarded-for'] !== undefined;
  return server === 'Fastify' && typeof setting === 'number' && isTold && Array.isArray(ips) && ips.length === 1;
}

function messageOf(trust: ProxyTrust, header: string, { socket }: RequestLike): string {
  const remote = socket?.remoteAddress;
  const peer = typeof remote === 'string' ? normalizeAddress(remote) : undefined;
  const from = peer === undefined ? 'over a Unix socket' : `from ${peer}`;
  const why = trust.any ? `${SETTING[trust.server]} is a number, by which it trusts no proxy` : 'it trusts no proxy';
  const forged =
    peer === undefined ? '' : ` If ${peer} is no proxy of yours, the header was made up, and nothing is wrong.`;
  return (
    `A request came ${from} to ${trust.server} with the header ${header}, and ${why}: all who come through the same proxy ` +
    `share one limit by IP. Have the proxy set X-Forwarded-For, and say which one is yours: ${fixFor(trust.server, peer)}.${forged}`
  );
}

/** @param proxy undefined on a Unix socket, to which nobody but the proxy can connect */
function fixFor(server: ProxyTrust['server'], proxy: string | undefined): string {
  if (server === 'Express') return `app.set('trust proxy', ${proxy === undefined ? '1' : `'${proxy}'`})`;
  const setting = proxy === undefined ? '(address, hop) => hop === 0' : `['${proxy}']`;
  return `new FastifyAdapter({ trustProxy: ${setting} })`;
}
