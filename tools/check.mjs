// `npm run check`: types (also of the examples in the docs), lint, format, import boundaries and unit specs. Stops at the first that fails.
// With `--without-specs` for the gate, where `npm test` has just run them.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { examplesCompile } from './docs-examples.mjs';
import { brokenBoundaries } from './import-boundaries.mjs';

const root = path.resolve(import.meta.dirname, '..');
const resolve = createRequire(import.meta.url).resolve;
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

run('types', process.execPath, [resolve('typescript/bin/tsc'), '-p', 'tsconfig.check.json']);
step('examples in the docs', () => examplesCompile(root));
run('lint', bin('oxlint'), ['--deny-warnings', 'libs', 'apps', 'test', 'tools']);
run('format', bin('prettier'), ['--check', '--log-level', 'warn', '.']);
step('import boundaries', () => {
  const broken = brokenBoundaries(root);
  for (const line of broken) console.error(`  ${line}`);
  return broken.length === 0;
});
if (!process.argv.includes('--without-specs'))
  run('unit specs', process.execPath, [path.join(root, 'tools/jest.mjs'), '--selectProjects', 'unit', '--silent']);

function run(name, command, args) {
  step(name, () => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0);
}

function step(name, body) {
  const startedAt = performance.now();
  const passed = body();
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${passed ? 'passed' : 'FAILED'}: ${name} (${seconds} s)`);
  if (!passed) process.exit(1);
}
