import { pin, serverCore, unpin } from './cores.mjs';
import { Contender, ContenderGroup } from './contender.mjs';
import { sharesSent } from './sent-commands.mjs';
import { countersBetween, readCounters } from './server-counters.mjs';

const WARM_UP_ROUNDS = 2;

/** Returns the samples of each contender by its name, a sample per round. */
export async function runScenario({ area, scenario, rounds, server, peers }) {
  if (scenario.cores === 'all') unpin(server.pid);
  else pin(server.pid, serverCore(scenario.cores));
  const samples = Object.fromEntries(scenario.contenders.map(({ name }) => [name, []]));
  // The same code is some percent faster in one process than in another; fine differences need several of each.
  const { processes = 1 } = scenario;
  const wanted = Math.min(scenario.rounds ?? rounds, rounds);
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
    const shares = new Map();
    for (const contender of scenario.splitsCommands ? contenders : []) {
      // In a round of its own, because to be watched takes Redis time.
      const run = () => contender.round(sizes.get(contender), -1);
      shares.set(contender, await sharesSent(control, run));
    }
    const { warmUpRounds = WARM_UP_ROUNDS } = scenario;
    for (let round = -warmUpRounds; round < rounds; round++) {
      for (const contender of contenders) {
        if (scenario.flushes) await control.flushall('SYNC');
        const sample = await measure(scenario, contender, sizes.get(contender), round, control);
        if (round >= 0) samples[contender.name].push(withSent(sample, shares.get(contender)));
      }
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.stop()));
  }
}

async function measure(scenario, contender, size, number, control) {
  const before = await readCounters(control);
  const { operations, ns, cpuUs, loads, loadMs, figures } = await roundOf(scenario, contender, size, number);
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
    commands: mapped(redis.commands, each),
    figures,
    ...(loads !== undefined && { loads: each(loads), loadMs: each(loadMs), besideMs: each(ns / 1e6 - loadMs) }),
  };
}

/** What clients send of what Redis counts, where that is known. */
function withSent(sample, shares) {
  return shares ? { ...sample, sent: mapped(sample.commands, (calls, name) => calls * (shares[name] ?? 0)) } : sample;
}

/** With the figures that the scenario makes of what the processes have noted; these may know better what an operation is. */
async function roundOf({ figures: figuresOf }, contender, size, number) {
  const { notes, ...timed } = await contender.round(size, number);
  if (!figuresOf) return timed;
  const { operations = timed.operations, ...figures } = figuresOf(notes);
  return { ...timed, operations, figures };
}

function mapped(counts, change) {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, change(count, name)]));
}
