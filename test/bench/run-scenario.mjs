import { pin, serverCore } from './cores.mjs';
import { Contender } from './contender.mjs';
import { countersBetween, readCounters } from './server-counters.mjs';

const WARM_UP_ROUNDS = 2;

/** Returns the samples of each contender by its name, a sample per round. */
export async function runScenario({ area, scenario, rounds, server }) {
  pin(server.pid, serverCore(scenario.cores));
  const samples = Object.fromEntries(scenario.contenders.map(({ name }) => [name, []]));
  // The same code is some percent faster in one process than in another; fine differences need several of each.
  const { processes = 1 } = scenario;
  for (let left = processes, done = 0; left > 0; left--) {
    const share = Math.ceil((rounds - done) / left);
    await runInTurns({ area, scenario, server, rounds: share, samples });
    done += share;
  }
  return samples;
}

/**
 * Lets the contenders work in turns: A B C, A B C, and so on. A neighbour that slows the machine down for a second so
 * slows all of them, and the ratio within a round stays.
 */
async function runInTurns({ area, scenario, server: { control, url }, rounds, samples }) {
  await control.flushall();
  const contenders = scenario.contenders.map(({ name }) => new Contender(area, scenario, name, url));
  try {
    await Promise.all(contenders.map((contender) => contender.open()));
    const sizes = new Map();
    for (const contender of contenders) sizes.set(contender, (await contender.warmUp()).operations);
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const contender of contenders) {
        const sample = await measure(contender, sizes.get(contender), control);
        if (round >= 0) samples[contender.name].push(sample);
      }
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}

async function measure(contender, size, control) {
  const before = await readCounters(control);
  const { operations, ns, cpuUs, loads } = await contender.round(size);
  const redis = countersBetween(before, await readCounters(control));
  const each = (total) => total / operations;
  return {
    ns: each(ns),
    clientCpuUs: each(cpuUs),
    redisCpuUs: each(redis.cpuUs),
    scriptUs: each(redis.scriptUs),
    bytesIn: each(redis.bytesIn),
    bytesOut: each(redis.bytesOut),
    commands: Object.fromEntries(Object.entries(redis.commands).map(([name, calls]) => [name, each(calls)])),
    ...(loads !== undefined && { loads: each(loads) }),
  };
}
