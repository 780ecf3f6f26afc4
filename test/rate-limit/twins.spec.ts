import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { MemoryRateLimitDriver } from '../../libs/rate-limit/src/drivers/memory.driver.js';
import type { Charge, Decision, Rule } from '../../libs/rate-limit/src/drivers/rate-limit-driver.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';

const SECOND = 1_000_000;
const folder = new URL('../../libs/rate-limit/src/drivers/', import.meta.url);
// The script of the driver, told what time it is.
const timed = readFileSync(new URL('decide.lua', folder), 'utf8')
  .replace("redis.call('TIME')", '{ARGV[#ARGV - 1], ARGV[#ARGV]}')
  .replace("'PX', life", "'PX', 60000");

afterAll(closeConnections);

/** Numbers that are the same for the same seed (a linear congruential generator). */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A driver whose every call happens at a time that the spec says. */
function timedDriver(connection: ServerConnection, now: () => number): RedisRateLimitDriver {
  const atTime = Object.create(connection) as ServerConnection;
  atTime.run = (_script, keys, args) => {
    const [seconds, rest] = [Math.floor(now() / SECOND), now() % SECOND];
    return connection.call('eval', [timed, keys.length, ...keys, ...args, seconds, rest]);
  };
  return new RedisRateLimitDriver(atTime, 2_000);
}

function randomRule(random: (below: number) => number, id: number): Rule {
  const limit = 1 + random(12);
  const common = { id, cost: 1 + random(Math.min(3, limit)), shadow: random(8) === 0 };
  const perUs = [1, 1_000, 333_333, SECOND, 7 * SECOND][random(5)]! + random(1_000);
  return [
    { ...common, kind: 'gcra', emissionUs: Math.ceil(perUs / limit), burst: Math.max(common.cost, 1 + random(limit)) },
    { ...common, kind: 'fixedWindow', limit, perUs },
    { ...common, kind: 'slidingWindow', limit, bucketUs: Math.ceil(perUs / 5), buckets: 5 },
    { ...common, kind: 'slidingLog', limit, perUs },
  ][random(4)] as Rule;
}

describe('limits in Redis and in the memory of a process', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'decide alike to the microsecond, whatever comes when (arrivals of seed %d)',
    async (seed) => {
      const { connection } = await openConnection(sharedServers().standalone);
      await untilUp(connection);
      const random = randoms(seed);
      let nowUs = 1_800_000_000_000_000 + random(SECOND);
      const redis = timedDriver(connection, () => nowUs);
      const memory = new MemoryRateLimitDriver(() => nowUs);
      const rules = Array.from({ length: 4 }, (_, index) => randomRule(random, index + 1));
      const keys = [0, 1].map((subject) => `app:limit:{${randomUUID()}}:${subject}`);
      const [ours, theirs]: Decision[][] = [[], []];

      for (let call = 1; call <= 250; call++) {
        nowUs += [0, 1, random(1_000), random(200_000), random(2 * SECOND)][random(5)]!;
        const charges: Charge[] = keys
          .slice(random(2))
          .map((key) => ({ key, rules: rules.filter(() => random(3) > 0) }))
          .filter((charge) => charge.rules.length > 0);
        if (charges.length === 0) continue;
        const peeks = random(5) === 0;
        ours!.push(await (peeks ? redis.peek(charges) : redis.decide(charges, call)));
        theirs!.push(await (peeks ? memory.peek(charges) : memory.decide(charges)));
      }

      expect(ours).toEqual(theirs);
      expect(ours!.some(({ allowed }) => allowed) && ours!.some(({ allowed }) => !allowed)).toBe(true);
    },
  );
});

describe('the bound of a limit', () => {
  const most = (admitted: readonly number[], perUs: number): number => {
    let worst = 0;
    for (const from of admitted)
      worst = Math.max(worst, admitted.filter((at) => at >= from && at < from + perUs).length);
    return worst;
  };
  const perUs = 10 * SECOND;
  const common = { id: 1, cost: 1, shadow: false };
  const rules: [string, Rule, number][] = [
    ['limit + burst - 1', { ...common, kind: 'gcra', emissionUs: perUs / 20, burst: 5 }, 24],
    ['2 * limit - 1', { ...common, kind: 'fixedWindow', limit: 20, perUs }, 39],
    ['limit', { ...common, kind: 'slidingWindow', limit: 20, bucketUs: perUs / 10, buckets: 10 }, 20],
    ['limit', { ...common, kind: 'slidingLog', limit: 20, perUs }, 20],
  ];

  it.each(rules)('of %s holds in any window, whenever the calls come (%j)', async (_, rule, bound) => {
    let worst = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const random = randoms(seed);
      let nowUs = 1_800_000_000_000_000 + random(perUs);
      const memory = new MemoryRateLimitDriver(() => nowUs);
      const admitted: number[] = [];
      for (let burst = 0; burst < 60; burst++) {
        // Just before, at and just after the moments at which something is given back.
        nowUs += [1, perUs / 20, perUs / 10, perUs / 10 - 1, perUs - 1, perUs, random(perUs)][random(7)]!;
        for (let call = 0; call < 1 + random(30); call++) {
          if ((await memory.decide([{ key: 'subject', rules: [rule] }])).allowed) admitted.push(nowUs);
          nowUs += random(3);
        }
      }
      worst = Math.max(worst, most(admitted, perUs));
    }

    expect(worst).toBeLessThanOrEqual(bound);
    expect(worst).toBeGreaterThan(bound * 0.7);
  });
});
