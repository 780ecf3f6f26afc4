import { pin, serverCore, unpin } from './cores.mjs';
import { Contender, ContenderGroup } from './contender.mjs';
import { countersBetween, readCounters } from './server-counters.mjs';

const WARM_UP_ROUNDS = 2;

/** Returns the samples of each contender by its name, a sample per round. */
export async function runScenario({ area, scenario, rounds, server, peers }) {
  if (scenario.cores === 'all') unpin(server.pid);
  else pin(server.pid, serverCore(scenario.cores));
  const samples = Object.fromEntries(scenario.contenders.map(({ name }) => [name, []]));
  // The same code is some percent faster in one process than in another; fine differences need several of each.
  const { processes = 1 } = scenario;
  const wanted = scenario.rounds ?? rounds;
  for (let left = processes, done = 0; left > 0; left--) {
    const share = Math.ceil((wanted - done) / left);
    await runInTurns({ area, scenario, server, peers, rounds: share, samples });
    done += share;
  }
  return samples;
}

/**
 * Lets the contenders work in turns: A B C, A B C, and so on. A neighbour that slows the machine down for a second so
 * slows all of them, and the ratio within a round stays.
 */
async function runInTurns({ area, scenario, server: { control, url }, peers, rounds, samples }) {
  await control.flushall();
  await scenario.prepare?.(control);
  const make = (name) => new Contender(area, scenario, name, url, peers);
  const contenders = scenario.contenders.map(({ name }) =>
    scenario.together ? new ContenderGroup(scenario.together, () => make(name)) : make(name),
  );
  try {
    // Not all at once: on one core they would keep each other from answering in time.
    for (const contender of contenders) await contender.open();
    const sizes = new Map();
    for (const contender of contenders) sizes.set(contender, (await contender.warmUp()).operations);
    const { warmUpRounds = WARM_UP_ROUNDS } = scenario;
    for (let round = -warmUpRounds; round < rounds; round++) {
      for (const contender of contenders) {
        if (scenario.flushes) await control.flushall('SYNC');
        const sample = await measure(contender, sizes.get(contender), round, control);
        if (round >= 0) samples[contender.name].push(sample);
      }
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}

async function measure(contender, size, round, control) {
  const before = await readCounters(control);
  const { operations, ns, cpuUs, loads, loadMs } = await contender.round(size, round);
  const redis = countersBetween(before, await readCounters(control));
  const each = (total) => total / operations;
  return {
    ns: each(ns),
    clientCpuUs: each(cpuUs),
    redisCpuUs: each(redis.cpuUs),
    scriptUs: each(redis.scriptUs),
    bytesIn: each(redis.bytesIn),
    bytesOut: each(redis.bytesOut),
    memoryBytes: each(redis.memoryBytes),
    commands: Object.fromEntries(Object.entries(redis.commands).map(([name, calls]) => [name, each(calls)])),
    ...(loads !== undefined && { loads: each(loads), loadMs: each(loadMs), besideMs: each(ns / 1e6 - loadMs) }),
  };
}
