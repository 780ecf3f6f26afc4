// Measures the built packages against raw ioredis and other libraries: `npm run bench -- cache`. See docs/benchmarks.md.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { readOptions } from '../test/bench/options.mjs';

const options = await readOptions(process.argv.slice(2));
const build = path.join(import.meta.dirname, 'build.mjs');
const { status } = spawnSync(process.execPath, [build], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const { runBench } = await import('../test/bench/run-bench.mjs');
await runBench(options);
