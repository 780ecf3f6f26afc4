import { Injectable, Logger, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { queryTally } from '../database/query-tally.js';

/**
 * Says of each GET whether the cache could answer it: a hit asked the database nothing.
 * The answer is logged with its time, and sent as `x-cache: hit` or `x-cache: miss`.
 */
@Injectable()
export class HitOrMissInterceptor implements NestInterceptor {
  readonly #logger = new Logger('Cache');
  readonly #host: HttpAdapterHost;

  constructor(host: HttpAdapterHost) {
    this.#host = host;
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const { httpAdapter } = this.#host;
    if (httpAdapter.getRequestMethod(http.getRequest()) !== 'GET') return next.handle();

    const tally = { queries: 0 };
    const startedAt = performance.now();
    const body: unknown = await queryTally.run(tally, () => lastValueFrom(next.handle()));
    const took = performance.now() - startedAt;
    const outcome = tally.queries === 0 ? 'hit' : 'miss';

    httpAdapter.setHeader(http.getResponse(), 'x-cache', outcome);
    this.#logger.log(`GET ${httpAdapter.getRequestUrl(http.getRequest())}  ${outcome} ${took.toFixed(1)} ms`);
    return of(body);
  }
}
