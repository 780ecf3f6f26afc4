import { Body, Controller, Get, HttpCode, Post, UseFilters, UseGuards } from '@nestjs/common';
import { LockCallError, LockService, type LockHolding, type LockInfo } from '@nuthatch/lock';
import { RateLimit, SkipRateLimit, slidingWindow } from '@nuthatch/rate-limit';
import { Length, ValidateIf } from 'class-validator';
import { invalidInput } from '../http/invalid-input.js';
import { RedisAwayFilter } from '../http/redis-away.filter.js';
import { OperatorGuard } from '../limits/operator.guard.js';

/** The body of `POST /locks/release`: one of both. */
export class ReleaseBody {
  /** As `GET /locks` shows it. */
  @ValidateIf(({ name }: ReleaseBody) => name === undefined)
  @Length(1, 1_000)
  readonly key?: string;

  /** As the shop names it: `seat:42:B7`. */
  @ValidateIf((_object, value) => value !== undefined)
  @Length(1, 1_000)
  readonly name?: string;
}

/** JSON has no bigint. */
export interface ListedLock extends Omit<LockInfo, 'holders'> {
  readonly holders: readonly (Omit<LockHolding, 'token'> & { readonly token: string })[];
}

/** What whoever runs the shop does about locks. Only guesses of the token are limited. */
@Controller('locks')
@UseFilters(RedisAwayFilter)
@UseGuards(OperatorGuard)
@SkipRateLimit()
@RateLimit(slidingWindow({ limit: 20, per: '1m', by: 'ip', when: 'failures' }))
export class LocksOperatorController {
  readonly #locks: LockService;

  constructor(locks: LockService) {
    this.#locks = locks;
  }

  /** Who holds what, and who waits for it. */
  @Get()
  async list(): Promise<ListedLock[]> {
    const locks = await this.#locks.admin.list();
    return locks.map(({ holders, ...lock }) => ({
      ...lock,
      holders: holders.map(({ token, ...holder }) => ({ ...holder, token: String(token) })),
    }));
  }

  /** Takes a lock away from all who hold it. What they write afterwards is refused by its fence. */
  @Post('release')
  @HttpCode(200)
  async release(@Body() { key = '', name }: ReleaseBody): Promise<{ readonly released: number }> {
    try {
      return { released: await this.#locks.admin.forceRelease(name ?? { key }) };
    } catch (error) {
      if (error instanceof LockCallError) throw invalidInput({ field: 'key', message: error.message });
      throw error;
    }
  }
}
