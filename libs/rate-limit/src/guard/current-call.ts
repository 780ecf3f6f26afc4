import { AsyncLocalStorage } from 'node:async_hooks';
import type { ExecutionContext } from '@nestjs/common';
import { resolverArgs } from './resolver-args.js';
import type { GuardedCall } from './guarded-call.js';

const CALL = Symbol('@nuthatch/rate-limit:call');

// What Nest gives to the parameters of a WebSocket handler has nothing that is this message's own.
const messages = new AsyncLocalStorage<GuardedCall>();

/** The call that a handler serves, where {@link attachCall} has put it. */
export function currentCall(context: ExecutionContext): GuardedCall | undefined {
  const carrier = carrierOf(context) as { [CALL]?: GuardedCall };
  return carrier[CALL] ?? (context.getType() === 'ws' ? messages.getStore() : undefined);
}

/** Guards, interceptors and parameters get a context each: puts the call on what all of these have in common. */
export function attachCall(context: ExecutionContext, call: GuardedCall): void {
  Object.defineProperty(carrierOf(context), CALL, { value: call, configurable: true });
}

/** Has {@link currentCall} find the call in what `run` begins. */
export function withinCall<T>(context: ExecutionContext, call: GuardedCall, run: () => T): T {
  return context.getType() === 'ws' ? messages.run(call, run) : run();
}

function carrierOf(context: ExecutionContext): object {
  const args = context.getArgs<unknown[]>();
  const own = ownOf(context.getType(), args);
  return typeof own === 'object' && own !== null && Object.isExtensible(own) ? own : args;
}

/** What is of one call only: the request, what GraphQL knows of the field, or the context of the message. */
function ownOf(type: string, args: unknown[]): unknown {
  switch (type) {
    case 'http':
      return args[0];
    case 'graphql':
      return resolverArgs(args).info;
    case 'ws':
      return args;
    default:
      return args[1];
  }
}
