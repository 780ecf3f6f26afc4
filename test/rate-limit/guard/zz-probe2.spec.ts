import { Controller, Get, Module, Injectable, UseGuards, type CanActivate, type ExecutionContext, type NestInterceptor, type INestApplication } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { io } from 'socket.io-client';
import { request } from 'node:http';
import { of } from 'rxjs';
import { RateLimit, RateLimitModule, fixedWindow, concurrency } from '@nuthatch/rate-limit';
import { RedisModule } from '@nuthatch/redis';
import { sharedServers } from '../../redis/open-connection.js';
import { closeApps, PLATFORMS, startApp, until } from './guarded-app.js';

afterEach(closeApps);
const say = (...a: unknown[]) => process.stderr.write(a.map((x) => (typeof x === 'string' ? x : JSON.stringify(x))).join(' ') + '\n');
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
const some = { some: fixedWindow({ limit: 2, per: '1m' }) };
let n = 0;

describe.each(PLATFORMS)('probe %s', (platform) => {
  it('P2 when successes + disconnect', async () => {
    let ran = 0;
    @Controller() class C { @Get('sms') @RateLimit(fixedWindow({ limit: 2, per: '1m', when: 'successes' })) async sms() { await sleep(60); ran += 1; return 'sent'; } }
    const { url } = await startApp(platform, { gate: 'real', policies: some, controllers: [C] });
    for (let i = 0; i < 8; i++) { const c = request(`${url}/sms`); c.on('error', () => undefined); c.end(); await sleep(30); c.destroy(); await sleep(60); }
    say('P2', platform, 'limit 2, handler ran to its end', ran, 'times');
  });

  it('P2c concurrency + disconnect', async () => {
    let now = 0, most = 0;
    @Controller() class C { @Get('slow') @RateLimit(concurrency({ max: 1 })) async slow() { now += 1; most = Math.max(most, now); await sleep(400); now -= 1; return 'x'; } }
    const { url } = await startApp(platform, { gate: 'real', policies: some, controllers: [C] });
    for (let i = 0; i < 6; i++) { const c = request(`${url}/slow`); c.on('error', () => undefined); c.end(); await sleep(25); c.destroy(); await sleep(15); }
    say('P2c', platform, 'max 1, handlers at the same time', most); await sleep(400);
  });

  it('P11 cached by an interceptor of the app before ours', async () => {
    class Auth implements CanActivate { canActivate(c: ExecutionContext) { c.switchToHttp().getRequest().user = { id: 'a' }; return true; } }
    class Cache implements NestInterceptor { intercept() { return of('cached'); } }
    @Controller() class C { @Get('x') @UseGuards(Auth) x() { return ''; } }
    const { url, gate } = await startApp(platform, { policies: { u: fixedWindow({ limit: 1, per: '1m', by: 'user' }) }, defaults: ['u'], controllers: [C], providers: [{ provide: APP_INTERCEPTOR, useValue: new Cache() }] });
    const s = []; for (let i = 0; i < 3; i++) s.push((await fetch(`${url}/x`)).status);
    say('P11', platform, s, gate.asked);
  });

  it('P46 draining', async () => {
    const ns = { leased: concurrency({ max: 1, lease: '1s', by: 'endpoint' }) };
    let now = 0, most = 0;
    @Controller() class C { @Get('slow') @RateLimit('leased') async slow() { now += 1; most = Math.max(most, now); await sleep(2500); now -= 1; return 'x'; } }
    const opts = { gate: 'real' as const, policies: ns, controllers: [C], connection: sharedServers().standalone };
    const a = await startApp(platform, opts); const b = await startApp(platform, opts);
    await sleep(n++ ? 1100 : 0);
    const first = fetch(`${a.url}/slow`); await sleep(150);
    const denied = (await fetch(`${b.url}/slow`)).status;
    const closing = a.app.close(); await sleep(1500);
    const second = await fetch(`${b.url}/slow`);
    say('P46', platform, 'before', denied, 'first', (await first).status, 'second while the first drains', second.status, 'at once', most); await closing;
  });

  it('P60 no policies', async () => {
    for (const o of [{ policies: {} }, {}, undefined]) { try { RateLimitModule.forRoot(o as never); say('P60 ok', o); } catch (e) { say('P60', o ?? 'undefined', (e as Error).message); } }
    try { RateLimitModule.forRoot({ policies: { a: { limit: 5, per: '1m' } } } as never); } catch (e) { say('P60 kindless', (e as Error).message); }
  });

  it('P61 late denial headers', async () => {
    class Auth implements CanActivate { canActivate(c: ExecutionContext) { c.switchToHttp().getRequest().user = { id: 'a' }; return true; } }
    @Controller() class C { @Get('x') @UseGuards(Auth) x() { return ''; } }
    const { url } = await startApp(platform, { gate: 'real', policies: { u: fixedWindow({ limit: 1, per: '1m', by: 'user' }), ip: fixedWindow({ limit: 10, per: '1m' }) }, defaults: ['u', 'ip'], controllers: [C] });
    for (let i = 0; i < 3; i++) { const r = await fetch(`${url}/x`); say('P61', platform, r.status, r.headers.get('ratelimit')?.replaceAll(/;pk=:[^:]+:/g, ''), r.headers.get('retry-after')); }
  });

  it('P62 v6 headers', async () => {
    @Controller() class C { @Get('x') @RateLimit('one') x() { return ''; } }
    const { url } = await startApp(platform, { gate: 'real', trustProxy: platform === 'express' ? 'loopback' : '127.0.0.1', policies: { one: fixedWindow({ limit: 1, per: '1m' }) }, controllers: [C] });
    for (let i = 0; i < 2; i++) { const r = await fetch(`${url}/x`, { headers: { 'x-forwarded-for': '2001:db8::1' } }); say('P62', platform, r.status, r.headers.get('ratelimit')?.replaceAll(/;pk=:[^:]+:/g, ''), r.headers.get('ratelimit-policy')?.replaceAll(/;pk=:[^:]+:/g, '')); }
  });

  it('P12 socket successes + disconnect', async () => {
    let ran = 0;
    @WebSocketGateway() class G { @SubscribeMessage('sms') @RateLimit('ok') async sms() { await sleep(60); ran += 1; return { event: 'x', data: '' }; } }
    const { url } = await startApp(platform, { gate: 'real', policies: { ok: fixedWindow({ limit: 2, per: '1m', when: 'successes' }) }, providers: [G], prepare: (app: INestApplication) => void app.useWebSocketAdapter(new IoAdapter(app)) });
    for (let i = 0; i < 6; i++) { const s = io(url, { transports: ['websocket'], forceNew: true }); await new Promise((r) => s.on('connect', () => r(0))); s.emit('sms', {}); await sleep(30); s.disconnect(); await sleep(60); }
    say('P12', platform, 'limit 2, ran', ran);
  });

  it('P63 deny cache name by newline', async () => {
    @Controller() class C { @Get('x') @RateLimit('e', 'd') x() { return ''; } }
    const q = (k: string) => ({ request: r }: { request: unknown }) => (r as { query: Record<string, string> }).query[k];
    const { url } = await startApp(platform, { gate: 'real', policies: { e: fixedWindow({ limit: 3, per: '1m', by: q('e') }), d: fixedWindow({ limit: 3, per: '1m', by: q('d') }) }, controllers: [C] });
    const both = encodeURIComponent('victim\ndevice');
    for (let i = 0; i < 4; i++) await fetch(`${url}/x?e=${both}&d=${both}`);
    say('P63', platform, 'victim who has done nothing', (await fetch(`${url}/x?e=victim&d=device`)).status);
  });
});
