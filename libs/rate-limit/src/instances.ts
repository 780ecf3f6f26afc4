import { randomUUID } from 'node:crypto';
import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';

const EVERY_MS = 5_000;
const SEEN_WITHIN_MS = 15_000;

const COUNT = new RedisScript(
  'count-instances',
  `-- Counts the processes that were seen of late, among them the one that asks.
-- KEYS[1] who was seen, and when; ARGV: who asks, for how many milliseconds a process counts
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])`,
  1,
);

/** Knows how many processes share the limits, from when Redis could last be asked. */
export class Instances {
  readonly #id = randomUUID();
  #timer: NodeJS.Timeout | undefined;
  #count = 1;
  #looking = Promise.resolve();

  constructor(
    private readonly connection: ServerConnection,
    private readonly key: string,
  ) {}

  /** At least 1. */
  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#looking = this.#look();
    this.#timer = setInterval(() => (this.#looking = this.#look()), EVERY_MS).unref();
  }

  /** This process no longer counts. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    // One that is under way would count this process once more.
    await this.#looking;
    try {
      await this.connection.call('zrem', [this.key, this.#id]);
    } catch {
      // Then the others see in a while that it is gone.
    }
  }

  async #look(): Promise<void> {
    try {
      this.#count = Number(
        await this.connection.run(COUNT, [this.key], [this.#id, SEEN_WITHIN_MS], { idempotent: true }),
      );
    } catch {
      // What was true a moment ago is the best guess.
    }
  }
}
