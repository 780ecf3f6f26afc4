import 'reflect-metadata';
import { Module, Controller, Get } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisModule } from '@nuthatch/redis';
import { RateLimitModule, gcra, RateLimit } from '@nuthatch/rate-limit';
class C { x() { return 'ok'; } }
const desc = Object.getOwnPropertyDescriptor(C.prototype, 'x');
for (const dec of [RateLimit('api', { cost: async () => { throw new Error('db is away'); } }), Get('x')]) dec(C.prototype, 'x', desc);
Controller()(C);
class App {}
Module({ imports: [RedisModule.forRoot(), RateLimitModule.forRoot({ policies: { api: gcra({ limit: 100, per: '1m' }) } })], controllers: [C] })(App);
const app = await NestFactory.create(App, { logger: false }); await app.listen(0, '127.0.0.1'); const u = await app.getUrl();
console.log((await fetch(u + '/x')).status); await new Promise((r) => setTimeout(r, 300)); console.log('alive'); await app.close();
