import type { CallPart, OpenCall } from '../call.js';
import type { RateLimitDecision } from '../decision.js';
import type { IpNetwork } from '../ip/ip-networks.js';
import type { PolicyRegistry } from './policy-registry.js';

/** Decides calls: RateLimitCore, or what stands in for it. */
export interface RateLimitGate {
  /** All parts or none. Does not reject because of a denial, nor because Redis is away. */
  admit(parts: readonly CallPart[]): Promise<OpenCall>;
}

/** What the response to a call says of its limits. */
export interface ResponseHeaders {
  /** @param parts those of the decision, in its order */
  of(parts: readonly CallPart[], decision: RateLimitDecision): Readonly<Record<string, string>>;
}

/** All networks of an address, from narrow to wide. */
export type NetworksOf = (address: string) => readonly IpNetwork[];

/** What the guard stands on. */
export interface GuardPorts {
  readonly gate: RateLimitGate;
  readonly registry: PolicyRegistry;
  readonly headers: ResponseHeaders;
  readonly networksOf: NetworksOf;
  /** Finds the HTTP request in a context of GraphQL that has it under no usual name. */
  readonly requestOf?: ((graphqlContext: unknown) => unknown) | undefined;
  /** Gets to see each request over HTTP that has limits, such as ProxyCheck. */
  readonly onRequest?: ((request: unknown) => void) | undefined;
}

/** Injection token of {@link GuardPorts}. */
export const GUARD_PORTS = Symbol('@nuthatch/rate-limit:guard-ports');

/** Injection token of GuardedCalls. Nest prints the description where RateLimitModule is missing. */
export const GUARDED_CALLS = Symbol('import RateLimitModule.forRoot() in the root module, or here if it is not global');
