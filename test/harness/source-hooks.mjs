// Lets a plain Node process run the TypeScript sources, as Jest does: `node --import ./source-hooks.mjs worker.ts`.
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transform } from '@swc/core';

const libs = new URL('../../libs/', import.meta.url);

// Node runs hooks in a thread of their own, which loads this file once more.
if (isMainThread) register(import.meta.url);

export function resolve(specifier, context, next) {
  const [, lib, door = 'index'] = /^@nuthatch\/(redis|cache|rate-limit|lock)(?:\/(\w+))?$/.exec(specifier) ?? [];
  if (lib) return next(new URL(`${lib}/src/${door}.ts`, libs).href, context);
  const ours = context.parentURL?.endsWith('.ts') && specifier.startsWith('.');
  return next(ours ? specifier.replace(/\.js$/, '.ts') : specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const file = fileURLToPath(url);
  const { code } = await transform(await readFile(file, 'utf8'), {
    filename: file,
    swcrc: false,
    configFile: false,
    sourceMaps: 'inline',
    module: { type: 'es6' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
  });
  return { format: 'module', source: code, shortCircuit: true };
}
