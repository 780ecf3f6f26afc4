import type { ExecutionContext } from '@nestjs/common';
import type { Outcome } from './guarded-call.js';
import { propertyAt } from './property-at.js';
import { resolverArgs } from './resolver-args.js';

/** What is needed of `http.ServerResponse`. */
interface RawResponse {
  readonly statusCode: number;
  readonly headersSent: boolean;
  readonly destroyed?: boolean;
  readonly writableFinished?: boolean;
  once(event: 'finish' | 'close', listener: () => void): unknown;
}

type SetHeader = (name: string, value: string) => unknown;

/** The response to an HTTP request, of Express, Fastify or `node:http`. */
export class Reply {
  readonly #raw: RawResponse;
  readonly #setHeader: SetHeader;

  /** Undefined where the call has none, or nobody knows it. */
  static of(context: ExecutionContext, request: unknown): Reply | undefined {
    const args = context.getArgs<unknown[]>();
    if (context.getType() === 'http') return Reply.#from(args[1]);
    if (context.getType<string>() !== 'graphql') return undefined;
    const { context: graphql } = resolverArgs(args);
    // Express knows the response by the request.
    const known = [
      propertyAt(graphql, 'res'),
      propertyAt(graphql, 'reply'),
      propertyAt(graphql, 'response'),
      propertyAt(request, 'res'),
    ];
    return known.map((response) => Reply.#from(response)).find((reply) => reply !== undefined);
  }

  static #from(response: unknown): Reply | undefined {
    const raw = propertyAt(response, 'raw') ?? response;
    // Express has the method of Node, and Fastify wants its own to be called.
    const setHeader = propertyAt(response, 'setHeader') ?? propertyAt(response, 'header');
    if (typeof propertyAt(raw, 'once') !== 'function' || typeof setHeader !== 'function') return undefined;
    return new Reply(raw as RawResponse, (setHeader as SetHeader).bind(response));
  }

  private constructor(raw: RawResponse, setHeader: SetHeader) {
    this.#raw = raw;
    this.#setHeader = setHeader;
  }

  setHeaders(headers: Readonly<Record<string, string>>): void {
    if (this.#raw.headersSent) return;
    for (const [name, value] of Object.entries(headers)) this.#setHeader(name, value);
  }

  /**
   * Tells how it went, whoever has answered: a handler, a stream or an exception filter. `'failure'` is a status of 400 or
   * more; `'unknown'` a connection that was closed before the response was out. What is told first counts.
   */
  onEnd(tell: (outcome: Outcome) => void): void {
    const raw = this.#raw;
    const end = (finished: boolean): void => {
      // A client that could choose the outcome by hanging up would have calls given back that were served.
      if (raw.headersSent && raw.statusCode >= 400) tell('failure');
      else tell(finished ? 'success' : 'unknown');
    };
    // Then both events may have been before.
    if (raw.writableFinished || raw.destroyed) return end(raw.writableFinished === true);
    raw.once('finish', () => end(true));
    raw.once('close', () => end(false));
  }
}
