// Packs the packages as npm would publish them, installs the tarballs into empty applications, one with each supported
// major of Nest, and imports them from ESM and from CommonJS. Needs a build.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const work = mkdtempSync(path.join(tmpdir(), 'nuthatch-packages-'));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** How many scripts each package has to bring. */
const SCRIPTS = Object.fromEntries(
  ['cache', 'rate-limit', 'lock'].map((lib) => {
    const files = readdirSync(path.join(root, 'libs', lib, 'src'), { recursive: true });
    return [lib, files.filter((name) => name.endsWith('.lua')).length];
  }),
);
const ESM = `
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisModule, RedisConnections } from '@nuthatch/redis';
import { ServerConnection } from '@nuthatch/redis/internal';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { runCacheDriverSuite } from '@nuthatch/cache/testing';
import { gcra, RateLimiter, RateLimitModule } from '@nuthatch/rate-limit';
import { runRateLimitDriverSuite } from '@nuthatch/rate-limit/testing';
import { LockModule, LockService } from '@nuthatch/lock';
import { runLockDriverSuite } from '@nuthatch/lock/testing';
class App {}
const limits = RateLimitModule.forRoot({ policies: { one: gcra({ limit: 1, per: '1h' }) } });
Module({ imports: [RedisModule.forRoot(), CacheModule.forRoot(), LockModule.forRoot(), limits] })(App);
const app = await NestFactory.createApplicationContext(App, { logger: false });
const cache = app.get(CacheService);
await cache.getOrSet('answer', () => 42);
const { readdirSync } = await import('node:fs');
for (const [lib, count] of Object.entries(${JSON.stringify(SCRIPTS)})) {
  const files = readdirSync('node_modules/@nuthatch/' + lib + '/dist', { recursive: true });
  const scripts = files.filter((name) => name.endsWith('.lua'));
  if (scripts.length !== count) throw new Error('scripts of ' + lib + ' are missing, there are only ' + scripts);
}
const limiter = app.get(RateLimiter);
await limiter.consume('one', 'somebody');
if ((await limiter.consume('one', 'somebody')).allowed) throw new Error('nothing is limited');
if ((await cache.get('answer')) !== 42 || app.get(RedisConnections).get().mode !== 'embedded') throw new Error('wrong answer');
const locks = app.get(LockService);
await locks.withLock('one', async () => {
  if ((await locks.semaphore('two', 1).with(() => 'in')) !== 'in') throw new Error('nothing is locked');
});
for (const door of [runCacheDriverSuite, runRateLimitDriverSuite, runLockDriverSuite, ServerConnection]) {
  if (typeof door !== 'function') throw new Error('a door is shut');
}
await app.close();
console.log('imported from ESM');
`;
const COMMON_JS = `
const { RedisModule, redisOptionsFromEnv } = require('@nuthatch/redis');
const { CacheModule } = require('@nuthatch/cache');
const { RateLimitModule, gcra } = require('@nuthatch/rate-limit');
const { LockModule } = require('@nuthatch/lock');
RedisModule.forRoot(redisOptionsFromEnv({}));
CacheModule.forRoot();
RateLimitModule.forRoot({ policies: { one: gcra({ limit: 1, per: '1h' }) } });
LockModule.forRoot();
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
