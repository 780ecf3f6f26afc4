import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { canPin } from './cores.mjs';
import { versionOf } from './peers.mjs';
import { startRedisServer } from './redis-server.mjs';
import { runScenario } from './run-scenario.mjs';
import { summarize } from './summary.mjs';
import { scenarioTable } from './table.mjs';

/** Runs the scenarios of an area on a Redis of their own, and prints a table for each. */
export async function runBench({ area, scenarios, rounds, quick, peers, json }) {
  const startedAt = Date.now();
  const server = await startRedisServer();
  const machine = {
    cpus: `${os.availableParallelism()} x ${os.cpus()[0].model}`,
    node: process.version,
    redis: server.version,
    pinned: canPin,
    peers: peers.names.map((peer) => versionOf(peers.folder, peer)),
  };
  console.log(`${machine.cpus}, Node ${machine.node}, Redis ${machine.redis}, ${rounds} rounds per scenario`);
  if (peers.names.length > 0) console.log(`Peers: ${machine.peers.join(', ')}`);
  if (quick) console.log('Quick, so only good for a first look.');
  if (!canPin) console.log('No taskset on this machine, so nothing is pinned: expect figures that jump.');

  const results = {};
  try {
    for (const scenario of scenarios) {
      const samples = await runScenario({ area, scenario, rounds, server, peers });
      results[scenario.name] = summarize(samples, scenario.baseline);
      console.log(`\n${scenarioTable(scenario, results[scenario.name])}`);
    }
  } finally {
    await server.stop();
  }
  console.log(`\n${area.conclude(results).join('\n')}`);
  console.log(`took ${Math.round((Date.now() - startedAt) / 1_000)}s, load average now ${os.loadavg()[0].toFixed(2)}`);
  if (json) writeFileSync(json, `${JSON.stringify({ area: area.name, machine, rounds, results }, undefined, 2)}\n`);
}
