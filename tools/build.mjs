// Compiles the packages and the demo, and puts each .lua script beside the JavaScript that loads it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-b', root], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

for (const lib of readdirSync(path.join(root, 'libs'))) {
  const source = path.join(root, 'libs', lib, 'src');
  const target = path.join(root, 'libs', lib, 'dist');
  for (const file of readdirSync(source, { recursive: true })) {
    if (!file.endsWith('.lua')) continue;
    mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
    cpSync(path.join(source, file), path.join(target, file));
  }
}
