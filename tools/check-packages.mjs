// Packs the packages as npm would publish them, installs the tarballs into empty applications, one with each supported
// major of Nest, and imports them from ESM and from CommonJS. Needs a build.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const work = mkdtempSync(path.join(tmpdir(), 'nuthatch-packages-'));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

const SCRIPTS = readdirSync(path.join(root, 'libs/cache/src'), { recursive: true }).filter((name) =>
  name.endsWith('.lua'),
).length;
const ESM = `
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisModule, RedisConnections } from '@nuthatch/redis';
import { ServerConnection } from '@nuthatch/redis/internal';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { runCacheDriverSuite } from '@nuthatch/cache/testing';
class App {}
Module({ imports: [RedisModule.forRoot(), CacheModule.forRoot()] })(App);
const app = await NestFactory.createApplicationContext(App, { logger: false });
const cache = app.get(CacheService);
await cache.getOrSet('answer', () => 42);
const { readdirSync } = await import('node:fs');
const scripts = readdirSync('node_modules/@nuthatch/cache/dist', { recursive: true }).filter((name) => name.endsWith('.lua'));
if ((await cache.get('answer')) !== 42 || app.get(RedisConnections).get().mode !== 'embedded') throw new Error('wrong answer');
if (typeof runCacheDriverSuite !== 'function' || typeof ServerConnection !== 'function') throw new Error('a door is shut');
if (scripts.length !== ${SCRIPTS}) throw new Error('scripts are missing, there are only ' + scripts);
await app.close();
console.log('imported from ESM');
`;
const COMMON_JS = `
const { RedisModule, redisOptionsFromEnv } = require('@nuthatch/redis');
const { CacheModule } = require('@nuthatch/cache');
RedisModule.forRoot(redisOptionsFromEnv({}));
CacheModule.forRoot();
console.log('imported from CommonJS');
`;

try {
  const tarballs = readdirSync(path.join(root, 'libs')).map((lib) => {
    const [packed] = JSON.parse(npm(path.join(root, 'libs', lib), 'pack', '--json', '--pack-destination', work));
    const stray = packed.files.map(({ path: file }) => file).filter((file) => /\.spec\.|tsbuildinfo|^src\//.test(file));
    if (stray.length > 0) throw new Error(`${packed.name} packs what it should not: ${stray.join(', ')}`);
    console.log(`packed ${packed.name}: ${packed.files.length} files, ${packed.size} bytes`);
    return path.join(work, packed.filename);
  });
  for (const nest of ['12', '11']) {
    const app = mkdtempSync(path.join(work, `nest-${nest}-`));
    writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'empty-app', private: true }));
    writeFileSync(path.join(app, 'app.mjs'), ESM);
    writeFileSync(path.join(app, 'app.cjs'), COMMON_JS);
    const peers = [`@nestjs/common@${nest}`, `@nestjs/core@${nest}`, 'reflect-metadata@0.2', 'rxjs@7'];
    npm(
      app,
      'install',
      '--no-audit',
      '--no-fund',
      `ioredis@${manifest.devDependencies.ioredis}`,
      ...peers,
      ...tarballs,
    );
    for (const file of ['app.mjs', 'app.cjs']) {
      process.stdout.write(`Nest ${nest}: ${execFileSync(process.execPath, [file], { cwd: app, encoding: 'utf8' })}`);
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

function npm(cwd, ...args) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
