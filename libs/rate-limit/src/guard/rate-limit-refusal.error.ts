import { HttpException } from '@nestjs/common';
import type { RateLimitCallError, RateLimitCostError } from '../rate-limit.errors.js';

const TITLES = { 400: 'Bad Request', 401: 'Unauthorized' } as const;

/**
 * A call that cannot be decided as it is, which waiting does not change: a policy limits users and nobody is logged in (401),
 * or what the call says of itself makes a cost, a limit or a subject that there is none of (400). `cause` says what is wrong
 * and what to do, and is in the log once; the caller is told no more than the status.
 */
export class RateLimitRefusalError extends HttpException {
  readonly code: string;
  /** What GraphQL shows beside the message. */
  readonly extensions: { readonly code: string; readonly status: number };

  constructor(
    status: keyof typeof TITLES,
    override readonly cause: RateLimitCallError | RateLimitCostError,
  ) {
    const { code } = cause;
    const detail = status === 401 ? 'Log in to do this.' : 'The request asks for what cannot be had.';
    super({ type: 'about:blank', title: TITLES[status], status, detail, code }, status, { cause });
    this.name = 'RateLimitRefusalError';
    this.message = detail;
    this.code = code;
    this.extensions = { code, status };
  }
}
