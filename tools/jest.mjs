// Runs Jest on ES modules: `npm test`, `npm test -- breaker --selectProjects redis`.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const nodeOptions =
  `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings=ExperimentalWarning`.trim();
// Node 20 may spin for ever in its own clean-up after the last spec; what is left open is told by global-teardown.ts.
const { status } = spawnSync(process.execPath, [jest, '--forceExit', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, NODE_OPTIONS: nodeOptions },
});
process.exit(status ?? 1);
