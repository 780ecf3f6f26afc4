// Type checks the examples of the docs: every `ts` block that imports something is a module of its own.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Whether all of them compile. What does not is printed with the name of its page and block. */
export function examplesCompile(root) {
  // Inside the repository, so that the packages are found.
  const work = path.join(root, 'node_modules', '.cache', 'docs-examples');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  let count = 0;
  for (const page of pages(root)) {
    const blocks = [...readFileSync(path.join(root, page), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)];
    for (const [index, [, code]] of blocks.entries()) {
      if (!/^import /m.test(code)) continue;
      count += 1;
      writeFileSync(path.join(work, `${page.replaceAll('/', '-')}-${index + 1}.ts`), code);
    }
  }
  const tsconfig = path.join(work, 'tsconfig.json');
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, rootDir: root };
  writeFileSync(
    tsconfig,
    JSON.stringify({ extends: path.join(root, 'tsconfig.check.json'), compilerOptions, include: ['*.ts'] }),
  );
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', tsconfig], { cwd: root, stdio: 'inherit' });
  if (status === 0) console.log(`${count} examples compile`);
  return status === 0 && count > 0;
}

function pages(root) {
  const inFolder = (folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name));
  const readmes = ['libs', 'apps'].flatMap(inFolder).map((name) => path.join(name, 'README.md'));
  return ['README.md', 'CONTRIBUTING.md', ...inFolder('docs').filter((name) => name.endsWith('.md')), ...readmes];
}
