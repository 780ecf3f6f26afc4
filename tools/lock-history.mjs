// Checks histories of locks for longer than the specs do: `npm run test:lock -- --minutes 10 --seed 7`. See test/lock-history.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const test = path.resolve(import.meta.dirname, '../test');
const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    path.join(test, 'harness/source-hooks.mjs'),
    '--no-warnings=ExperimentalWarning',
    path.join(test, 'lock-history/long-run.ts'),
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
