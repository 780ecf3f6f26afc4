import type { ExecutionContext } from '@nestjs/common';
import { propertyAt } from './property-at.js';
import { markAsDenial, RateLimitExceededError } from './rate-limit-exceeded.error.js';
import type { RateLimitRefusalError } from './rate-limit-refusal.error.js';

type Exception = new (payload: object) => Error;

/** RESOURCE_EXHAUSTED, UNAUTHENTICATED and INVALID_ARGUMENT, by the status that HTTP has for the same. */
const GRPC_CODES: Readonly<Record<number, number>> = { 429: 8, 401: 16, 400: 3 };

/**
 * The error as the filters of the context understand it: for HTTP and GraphQL as it is; for WebSocket a `WsException`, for
 * RPC an `RpcException` with the same content, because their filters tell others nothing but "Internal server error".
 */
export async function errorForContext(
  error: RateLimitExceededError | RateLimitRefusalError,
  context: ExecutionContext,
): Promise<Error> {
  const type = context.getType();
  const Exception = type === 'ws' ? await wsException() : type === 'rpc' ? await rpcException() : undefined;
  if (!Exception) return error;
  const payload = { ...(error.getResponse() as object), code: error.code, message: error.message };
  // The codes of gRPC are numbers of its own.
  const told = isGrpc(context) ? { ...payload, code: GRPC_CODES[error.getStatus()] } : payload;
  const thrown = Object.assign(new Exception(told), { name: error.name, code: error.code, cause: error });
  if (!(error instanceof RateLimitExceededError)) return thrown;
  markAsDenial(thrown);
  return Object.assign(thrown, { decision: error.decision, extensions: error.extensions });
}

// Both packages are optional, and have been loaded long since where a message has come in.
async function wsException(): Promise<Exception | undefined> {
  try {
    return (await import('@nestjs/websockets')).WsException;
  } catch {
    return undefined;
  }
}

async function rpcException(): Promise<Exception | undefined> {
  try {
    return (await import('@nestjs/microservices')).RpcException;
  } catch {
    return undefined;
  }
}

/** gRPC hands its Metadata to a handler where others hand a context. */
function isGrpc(context: ExecutionContext): boolean {
  return typeof propertyAt(context.getArgs<unknown[]>()[1], 'getMap') === 'function';
}
