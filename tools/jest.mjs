// Runs Jest on ES modules: `npm test`, `npm test -- breaker --selectProjects redis`.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const nodeOptions =
  `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings=ExperimentalWarning`.trim();

// Specs on servers look at the time, and get the machine to themselves; but for these, which may be slow.
const PATIENT = [
  'apps/demo/test/',
  '/driver\\.spec',
  'test/harness/(cluster|sentinel)-topology',
  'test/cache/(cache|typed)\\.spec',
  'test/rate-limit/(guard/|limiter|overrides|together|twins)',
  'test/lock/(exit|fenced-store)',
  'test/lock-history/(sabotage|leaks|checker)',
].join('|');
const everything = [
  ['--selectProjects', 'unit', '--maxWorkers', '2'],
  ['--selectProjects', 'redis', '--maxWorkers', '2', '--testPathPatterns', PATIENT],
  ['--selectProjects', 'redis', '--maxWorkers', '1', '--testPathIgnorePatterns', PATIENT, 'node_modules'],
];
const asked = process.argv.slice(2);
const statuses = (asked.length > 0 ? [asked] : everything).map(run);
process.exit(statuses.find((status) => status !== 0) ?? 0);

function run(args) {
  // Node 20 may spin for ever in its own clean-up after the last spec; what is left open is told by global-teardown.ts.
  const { status } = spawnSync(process.execPath, [jest, '--forceExit', ...args], {
    stdio: 'inherit',
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
  });
  return status ?? 1;
}
