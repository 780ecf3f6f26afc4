import 'reflect-metadata';

import { Module, Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisModule } from '@nuthatch/redis';
import { RateLimitModule, RateLimiter, gcra, concurrency, RateLimit } from '@nuthatch/rate-limit';
const [kind, mode, url] = process.argv.slice(2);
const connection = mode === 'embedded' ? { mode } : { mode: 'standalone', url };
class C { x() { return 'ok'; } slow() { return new Promise((r) => setTimeout(() => r('s'), 300)); } }
const d = (m, path, ...decs) => { const desc = Object.getOwnPropertyDescriptor(C.prototype, m); for (const dec of [...decs, Get(path)]) dec(C.prototype, m, desc); };
d('x', 'x', RateLimit('api')); d('slow', 'slow', RateLimit('places'));
Controller()(C);
class App {}
Module({ imports: [RedisModule.forRoot({ connections: { default: connection } }), RateLimitModule.forRootAsync({ useFactory: () => ({ policies: { api: gcra({ limit: 100, per: '1m' }), places: concurrency({ max: 5 }), hot: gcra({ limit: 1000, per: '1m', lease: { size: 10, for: '5s' } }) }, defaults: ['api'] }) })], controllers: [C] })(App);
const t0 = Date.now();
process.on('exit', (c) => console.log(kind, mode, url ?? '', 'exit', c, 'after close', Date.now() - closedAt, 'ms; total', Date.now() - t0));
let closedAt = 0;
setTimeout(() => { console.log(kind, mode, 'STILL ALIVE after 12 s', process.getActiveResourcesInfo()); process.exit(9); }, 12000).unref();
const app = kind === 'context' ? await NestFactory.createApplicationContext(App, { logger: false, abortOnError: false }) : await NestFactory.create(App, { logger: false, abortOnError: false });
if (kind === 'http') {
  await app.listen(0, '127.0.0.1'); const u = await app.getUrl();
  console.log((await fetch(u + '/x')).status, (await fetch(u + '/slow')).status);
  const l = app.get(RateLimiter); await l.consume('hot', 'a'); await l.reserve('places', 'forgotten'); try { await l.top('api', 5); } catch (e) { console.log('top:', e.code); }
}
if (kind === 'init') await app.init();
const c0 = Date.now();
await app.close(); closedAt = Date.now(); console.log('close took', closedAt - c0);
