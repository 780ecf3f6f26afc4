import { randomUUID } from 'node:crypto';
import { joinKey, RedisScript, type KeySegment, type ServerConnection } from '@nuthatch/redis/internal';
import { RedisWarmTurn, type LeaseTiming, type TurnScripts } from './redis-warm-turn.js';
import type { WarmMode, WarmTurnReply, WarmTurns } from './warm-turns.js';

// Three renewals may fail before the lease is lost.
const TIMING: LeaseTiming = { leaseMs: 10_000, renewEveryMs: 3_000 };

/** One key per warmer, which is a lease while it runs and a mark that it has run afterwards. */
export class RedisWarmTurns implements WarmTurns {
  readonly #take = RedisScript.load(new URL('./take-turn.lua', import.meta.url), { keys: 1 });
  readonly #scripts: TurnScripts = {
    renew: RedisScript.load(new URL('./renew-turn.lua', import.meta.url), { keys: 1 }),
    end: RedisScript.load(new URL('./end-turn.lua', import.meta.url), { keys: 1 }),
  };

  /** @param root the segments of the keys before the name of the warmer */
  constructor(
    private readonly connection: ServerConnection,
    private readonly root: readonly KeySegment[],
    private readonly timing: LeaseTiming = TIMING,
  ) {}

  async take(name: string, mode: WarmMode): Promise<WarmTurnReply> {
    const key = joinKey([...this.root, name]);
    const lease = `run:${randomUUID()}`;
    const sentAt = performance.now();
    const held = await this.connection.run(this.#take, [key], [lease, this.timing.leaseMs, mode]);
    if (held === null) {
      return {
        state: 'granted',
        turn: new RedisWarmTurn(this.connection, this.#scripts, key, lease, sentAt, this.timing),
      };
    }
    const [text, leftMs] = held as [string, number];
    return text === 'done' ? { state: 'fresh', forMs: Math.max(1, leftMs) } : { state: 'running' };
  }
}
