import type { ExecutionContext } from '@nestjs/common';
import { addressOf } from '../ip/address-of.js';
import type { Caller } from './caller.js';
import { propertyAt } from './property-at.js';
import { resolverArgs } from './resolver-args.js';

/** Finds the HTTP request in a context of GraphQL. */
export type RequestOf = (graphqlContext: unknown) => unknown;

/**
 * Whoever makes the call that Nest has this context for. What is asked of it is looked up then: `user` is there only once
 * authentication has run.
 */
export function callerOf(context: ExecutionContext, endpoint: string, requestOf?: RequestOf): Caller {
  const args = context.getArgs<unknown[]>();
  switch (context.getType<string>()) {
    case 'http':
      return new HttpCaller(endpoint, args[0], propertyAt(args[0], 'body'));
    case 'graphql':
      return new GraphqlCaller(endpoint, args, requestOf);
    case 'ws':
      return new MessageCaller(endpoint, args);
    default:
      return new RpcCaller(endpoint, args);
  }
}

class HttpCaller implements Caller {
  readonly kind: Caller['kind'] = 'http';

  constructor(
    readonly endpoint: string,
    readonly request: unknown,
    readonly data: unknown,
  ) {}

  get user(): unknown {
    return propertyAt(this.request, 'user');
  }

  /** As Express and Fastify say it, who know which proxies to trust. */
  get ip(): string | undefined {
    return addressOf(this.request);
  }

  header(name: string): string | undefined {
    return headerOf(propertyAt(this.request, 'headers'), name);
  }
}

class GraphqlCaller extends HttpCaller {
  override readonly kind = 'graphql';
  readonly #context: unknown;

  constructor(endpoint: string, given: readonly unknown[], requestOf: RequestOf | undefined) {
    const { args, context } = resolverArgs(given);
    super(endpoint, requestOf?.(context) ?? graphqlRequest(context), args);
    this.#context = context;
  }

  override get user(): unknown {
    return propertyAt(this.#context, 'user') ?? super.user ?? propertyAt(this.#context, 'req', 'extra', 'user');
  }
}

class MessageCaller extends HttpCaller {
  override readonly kind = 'ws';
  readonly #client: unknown;

  constructor(endpoint: string, [client, data]: readonly unknown[]) {
    // socket.io keeps the request of the handshake; with "ws" it is there when handleConnection() has put it there.
    super(endpoint, propertyAt(client, 'request') ?? propertyAt(client, 'upgradeReq'), data);
    this.#client = client;
  }

  override get user(): unknown {
    return propertyAt(this.#client, 'user') ?? propertyAt(this.#client, 'data', 'user') ?? super.user;
  }

  override get ip(): string | undefined {
    return super.ip ?? addressOf({ socket: propertyAt(this.#client, '_socket') });
  }
}

class RpcCaller implements Caller {
  readonly kind = 'rpc';
  readonly ip = undefined;
  readonly data: unknown;
  readonly request: unknown;

  constructor(
    readonly endpoint: string,
    [data, context]: readonly unknown[],
  ) {
    this.data = data;
    this.request = context;
  }

  /** Never of the message: who sends it could say anything. */
  get user(): unknown {
    return propertyAt(this.request, 'user');
  }

  header(): undefined {
    return undefined;
  }
}

function graphqlRequest(context: unknown): unknown {
  const request =
    propertyAt(context, 'req') ?? propertyAt(context, 'request') ?? propertyAt(context, 'reply', 'request');
  // For a subscription by WebSocket Nest has there what graphql-ws knows of the connection.
  return propertyAt(request, 'extra', 'request') ?? propertyAt(context, 'extra', 'request') ?? request;
}

/** @param headers those of Node, or of the Fetch API */
function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const lowerCase = name.toLowerCase();
  if (!Object.hasOwn(headers, lowerCase)) return undefined;
  const value = (headers as Record<string, unknown>)[lowerCase];
  return text(Array.isArray(value) ? value[0] : value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
