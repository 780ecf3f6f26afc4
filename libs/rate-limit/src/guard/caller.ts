/** Whoever makes a call, however it came: by HTTP, GraphQL, a WebSocket message or a message of a microservice. */
export interface Caller {
  readonly kind: 'http' | 'graphql' | 'ws' | 'rpc';
  /** The module, class and method that are called: `AppModule/UsersController.login`. */
  readonly endpoint: string;
  /** The address of the other side, as the HTTP adapter trusts it; undefined where there is none. */
  readonly ip: string | undefined;
  /** Whatever authentication has put on the request or socket; undefined before that. */
  readonly user: unknown;
  /** The HTTP request, also of GraphQL and of the handshake of a socket; for a microservice its context. */
  readonly request: unknown;
  /** The body of the request, the arguments of a GraphQL field, or the message. */
  readonly data: unknown;
  /** By its name, in any case; the first, where there are several. */
  header(name: string): string | undefined;
}

/** Names whoever a limit applies to; undefined: this caller has none of it. */
export type SubjectOf = (caller: Caller) => string | undefined | Promise<string | undefined>;

/**
 * Whom a policy limits. `'user'`: who is logged in; `'ip'`: the address, IPv6 by its networks; `'endpoint'`: all callers of a
 * route together; `'header:x-api-key'`: who sends that; or what a function says.
 */
export type By = 'user' | 'ip' | 'endpoint' | `header:${string}` | SubjectOf;
