import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startStandalone, type RedisServer } from '../harness/index.js';
import { freezing } from './run/faults.js';
import { Contention, type ContentionReport } from './run/contention.js';
import type { RuleName } from './rules/violation.js';
import type { Sabotage } from './worker/worker-messages.js';

const SEED = 5;
const GRANTS = 400;

describe('The checker, given the history of processes', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startStandalone();
  });
  afterAll(() => server.stop());

  async function contend(sabotage?: Sabotage): Promise<ContentionReport> {
    const contention = await Contention.start({
      seed: SEED,
      connectionOf: () => ({ mode: 'standalone', url: server.url }),
      workers: 2,
      keys: ['hot', 'warm'],
      ...(sabotage && { sabotage }),
    });
    try {
      await contention.untilGrants(GRANTS, 8_000);
      if (sabotage === 'long-validity') {
        const holder = contention.worker(0);
        const held = holder.ask({ order: 'hold', key: 'held', forMs: 2_000 }, 10_000);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await freezeFor(contention, server);
        await held;
      }
      return await contention.judge();
    } catch (error) {
      await contention.abandon();
      throw error;
    }
  }

  it('that nothing is wrong with, has nothing to say', async () => {
    const { violations, grants } = await contend();

    expect(violations).toEqual([]);
    expect(grants).toBeGreaterThan(100);
  }, 60_000);

  it.each<[Sabotage, RuleName]>([
    ['double-grant', 'exclusion'],
    ['repeat-token', 'fencing'],
    ['long-validity', 'validity'],
    ['unfair', 'fairness'],
    ['deaf', 'wake-up'],
    ['lying-release', 'outcome'],
  ])(
    'whose locks are broken on purpose (%s), says so',
    async (sabotage, rule) => {
      const { violations } = await contend(sabotage);

      expect(violations.map((violation) => violation.rule)).toContain(rule);
    },
    60_000,
  );
});

/** So long that what is held ends. */
async function freezeFor(contention: Contention, server: RedisServer): Promise<void> {
  contention.random.chance = () => false;
  await freezing(server)(contention);
}
