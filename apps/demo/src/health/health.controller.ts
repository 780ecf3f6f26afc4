import { Controller, Get, Inject } from '@nestjs/common';
import {
  HealthCheck,
  HealthCheckService,
  HealthIndicatorService,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { SkipRateLimit } from '@nuthatch/rate-limit';
import { RedisConnections } from '@nuthatch/redis';
import { sql } from 'drizzle-orm';
import { DATABASE, type Database } from '../database/database.js';

/** Load balancers ask often, and all from one address. */
@Controller('health')
@SkipRateLimit()
export class HealthController {
  readonly #health: HealthCheckService;
  readonly #indicator: HealthIndicatorService;
  readonly #database: Database;
  readonly #connections: RedisConnections;

  constructor(
    health: HealthCheckService,
    indicator: HealthIndicatorService,
    @Inject(DATABASE) database: Database,
    connections: RedisConnections,
  ) {
    this.#health = health;
    this.#indicator = indicator;
    this.#database = database;
    this.#connections = connections;
  }

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.#health.check([() => this.#databaseAnswers(), () => this.#redisAnswers()]);
  }

  #databaseAnswers(): PromiseLike<HealthIndicatorResult> {
    return this.#indicator
      .check('database')
      .attempt(async () => void (await this.#database.execute(sql`select 1`)))
      .withTimeout(2000);
  }

  /** Without Redis the shop still sells, only slower: degraded, so that a load balancer keeps sending requests. */
  async #redisAnswers(): Promise<HealthIndicatorResult> {
    const connection = this.#connections.get();
    const redis = this.#indicator.check('redis');
    try {
      return redis.up({ mode: connection.mode, pingMs: Number((await connection.ping()).toFixed(2)) });
    } catch (error) {
      return redis.degraded({ mode: connection.mode, message: error instanceof Error ? error.message : String(error) });
    }
  }
}
