import { randomUUID } from 'node:crypto';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';
import { MemoryRateLimitDriver } from '../../libs/rate-limit/src/drivers/memory.driver.js';
import type {
  Calendar,
  Charge,
  ConcurrencyRule,
  Decision,
  Rule,
  Settlement,
} from '../../libs/rate-limit/src/drivers/rate-limit-driver.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';

const SECOND = 1_000_000;
afterAll(closeConnections);

/** Numbers that are the same for the same seed (a linear congruential generator). */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A driver whose every call happens at a time that the spec says, and whose keys outlive the spec. */
function timedDriver(connection: ServerConnection, now: () => number): RedisRateLimitDriver {
  const atTime = Object.create(connection) as ServerConnection;
  atTime.run = (script, keys, args) => {
    const time = `{${Math.floor(now() / SECOND)}, ${now() % SECOND}}`;
    const timed = script.source.replace("redis.call('TIME')", time).replaceAll(/'PX', .*\)$/gm, "'PX', 60000)");
    return connection.call('eval', [timed, keys.length, ...keys, ...args]);
  };
  return new RedisRateLimitDriver(atTime, 2_000);
}

function periodsOf(us: number): Calendar {
  return {
    around(nowUs) {
      const startUs = nowUs - (nowUs % us);
      return { startUs, endUs: startUs + us, nextEndUs: startUs + 2 * us };
    },
  };
}

function randomRule(random: (below: number) => number, id: number): Rule {
  const limit = 1 + random(12);
  const baseUs = 1 + random(SECOND);
  const block = { baseUs, factor: 1 + random(3), mostUs: baseUs + random(20 * SECOND), decayUs: random(5 * SECOND) };
  const shadow = random(8) === 0;
  const common = { id, cost: 1 + random(Math.min(3, limit)), shadow, ...(random(4) === 0 && { block }) };
  const perUs = [1, 1_000, 333_333, SECOND, 7 * SECOND][random(5)]! + random(1_000);
  return [
    { ...common, kind: 'gcra', emissionUs: Math.ceil(perUs / limit), burst: Math.max(common.cost, 1 + random(limit)) },
    { ...common, kind: 'fixedWindow', limit, perUs },
    { ...common, kind: 'slidingWindow', limit, bucketUs: Math.ceil(perUs / 5), buckets: 5 },
    { ...common, kind: 'slidingLog', limit, perUs },
    { ...common, kind: 'calendar', limit, calendar: periodsOf(7 * SECOND) },
    { ...common, kind: 'concurrency', cost: 1, limit, leaseUs: perUs },
  ][random(6)] as Rule;
}

/** What an allowed decision has charged, and how much of it is to be given back, or to be taken beyond it. */
function corrections(
  charges: readonly Charge[],
  { nowUs, verdicts }: Decision,
  operation: number,
  random: (below: number) => number,
): Settlement[] {
  let at = 0;
  return charges.flatMap(({ key, rules }) =>
    rules.flatMap((rule): Settlement[] => {
      const { ok, resetUs } = verdicts[at++]!;
      const back = rule.kind === 'concurrency' ? 1 : [1, rule.cost, -1, -2][random(4)]!;
      return ok ? [{ key, rule, back, operation, chargedAtUs: nowUs, resetUs }] : [];
    }),
  );
}

describe('limits in Redis and in the memory of a process', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])(
    'decide alike to the microsecond, whatever comes when (arrivals of seed %d)',
    async (seed) => {
      const { connection } = await openConnection(sharedServers().standalone);
      await untilUp(connection);
      const random = randoms(seed);
      let nowUs = 1_800_000_000_000_000 + random(SECOND);
      const redis = timedDriver(connection, () => nowUs);
      const memory = new MemoryRateLimitDriver(() => nowUs);
      // Now and then what most calls are, for which the script has a short way.
      const plain = Array.from({ length: 1 + random(3) }, (_, index): Rule => {
        const cost = 1 + random(2);
        return {
          id: index + 1,
          kind: 'gcra',
          cost,
          shadow: false,
          emissionUs: 1 + random(SECOND),
          burst: 2 + random(5),
        };
      });
      const rules = seed % 2 === 0 ? plain : Array.from({ length: 5 }, (_, index) => randomRule(random, index + 1));
      const places = rules.filter((rule): rule is ConcurrencyRule => rule.kind === 'concurrency');
      const keys = [0, 1].map((subject) => `app:limit:{${randomUUID()}}:${subject}`);
      const [ours, theirs]: unknown[][] = [[], []];
      let last: { charges: Charge[]; decision: Decision; operation: number } | undefined;

      for (let call = 1; call <= 400; call++) {
        nowUs += [0, 1, random(1_000), random(200_000), random(2 * SECOND)][random(5)]!;
        const what = random(12);
        if (what === 0 && last) {
          const those = corrections(last.charges, last.decision, last.operation, random);
          await Promise.all([redis.settle(those), memory.settle(those)]);
          last = undefined;
          continue;
        }
        if (what === 1 && last && places[0]) {
          const { operation } = last;
          ours!.push(await redis.renew(keys[1]!, places[0], operation));
          theirs!.push(await memory.renew(keys[1]!, places[0], operation));
          continue;
        }
        const charges: Charge[] = keys
          .slice(random(2))
          .map((key) => ({ key, rules: rules.filter(() => random(3) > 0) }))
          .filter((charge) => charge.rules.length > 0);
        if (charges.length === 0) continue;
        const peeks = random(5) === 0;
        const decision = await (peeks ? redis.peek(charges) : redis.decide(charges, call));
        ours!.push(decision);
        theirs!.push(await (peeks ? memory.peek(charges) : memory.decide(charges, call)));
        if (decision.allowed && !peeks) last = { charges, decision, operation: call };
      }

      expect(ours).toEqual(theirs);
      expect(ours).toContainEqual(expect.objectContaining({ allowed: true }));
      expect(ours).toContainEqual(expect.objectContaining({ allowed: false }));
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
    ['2 * limit', { ...common, kind: 'calendar', limit: 20, calendar: periodsOf(perUs) }, 40],
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
          if ((await memory.decide([{ key: 'subject', rules: [rule] }], 1)).allowed) admitted.push(nowUs);
          nowUs += random(3);
        }
      }
      worst = Math.max(worst, most(admitted, perUs));
    }

    expect(worst).toBeLessThanOrEqual(bound);
    expect(worst).toBeGreaterThan(bound * 0.7);
  });

  it.each(rules)('of %s holds for what is not taken back, whenever that is (%j)', async (_, rule, bound) => {
    let [worst, back] = [0, 0];
    for (let seed = 1; seed <= 20; seed++) {
      const random = randoms(seed);
      let nowUs = 1_800_000_000_000_000 + random(perUs);
      const memory = new MemoryRateLimitDriver(() => nowUs);
      const kept: number[] = [];
      const open: { settlement: Settlement; backAt: number }[] = [];
      for (let step = 0; step < 1_500; step++) {
        nowUs += [0, 1, perUs / 20, perUs / 20 - 1, random(perUs / 3)][random(5)]!;
        while (open.length > 0 && open[0]!.backAt <= nowUs) await memory.settle([open.shift()!.settlement]);
        const { allowed, verdicts } = await memory.decide([{ key: 'subject', rules: [rule] }], step);
        if (!allowed) continue;
        if (random(2) === 0) kept.push(nowUs);
        else {
          const { resetUs } = verdicts[0]!;
          const settlement = { key: 'subject', rule, back: 1, operation: step, chargedAtUs: nowUs, resetUs };
          open.push({ settlement, backAt: nowUs + random(perUs) });
          open.sort((one, other) => one.backAt - other.backAt);
          back += 1;
        }
      }
      worst = Math.max(worst, most(kept, perUs));
    }

    expect(back).toBeGreaterThan(1_000);
    expect(worst).toBeLessThanOrEqual(bound);
    expect(worst).toBeGreaterThan(bound * 0.4);
  });
});
