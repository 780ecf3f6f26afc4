import { Controller, Get, Post } from '@nestjs/common';
import { request } from 'node:http';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { subjectKey } from '../../../libs/rate-limit/src/subject-key.js';
import { RateLimit, fixedWindow } from '@nuthatch/rate-limit';
import { closeApps, PLATFORMS, startApp, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  address: fixedWindow({ limit: 2, per: '1m' }),
  key: fixedWindow({ limit: 2, per: '1m', by: 'header:X-API-Key' }),
  both: fixedWindow({ limit: 2, per: '1m', by: ['header:x-api-key', 'endpoint', 'ip'] }),
  each: fixedWindow({ limit: 2, per: '1m', by: { each: ['ip', 'header:x-api-key'] } }),
  email: fixedWindow({ limit: 2, per: '1m', by: ({ data }) => (data as { email: string } | undefined)?.email }),
  paid: fixedWindow({ limit: (caller) => Number(caller.header('x-plan')), per: '1m' }),
};

@Controller()
class Shop {
  @Get('address') @RateLimit('address') address() {
    return '';
  }
  @Get('key') @RateLimit('key') key() {
    return '';
  }
  @Get('both') @RateLimit('both') both() {
    return '';
  }
  @Get('each') @RateLimit('each') each() {
    return '';
  }
  @Post('email') @RateLimit('email') email() {
    return '';
  }
  @Get('paid') @RateLimit('paid') paid() {
    return '';
  }
}

afterEach(closeApps);

describe.each(PLATFORMS)('Whoever means harm on %s', (platform) => {
  const start = (options: GuardedAppOptions = {}) => startApp(platform, { policies, controllers: [Shop], ...options });

  it('gets no other address by a header that nobody trusts', async () => {
    const { url, gate } = await start();
    const statuses = [];
    for (const address of ['203.0.113.1', '203.0.113.2', '::1, 10.0.0.1']) {
      const headers = { 'x-forwarded-for': address, forwarded: `for=${address}`, 'x-real-ip': '203.0.113.9' };
      statuses.push((await fetch(`${url}/address`, { headers })).status);
    }

    expect(statuses).toEqual([200, 200, 429]);
    expect(new Set(gate.asked.flat())).toEqual(new Set(['address@ip:127.0.0.1']));
  });

  it('is known by what a trusted proxy says, and by the proxy where that is nonsense', async () => {
    const { url, gate } = await start({ trustProxy: platform === 'express' ? 'loopback' : '127.0.0.1' });
    for (const address of ['203.0.113.1', '2001:db8:1:2::3', '::ffff:203.0.113.1', 'x'.repeat(4_000)])
      await fetch(`${url}/address`, { headers: { 'x-forwarded-for': address } });

    expect(gate.asked).toEqual([
      ['address@ip:203.0.113.1'],
      ['address@ip:2001:db8:1:2::/64', 'address@ip:2001:db8:1::/48'],
      ['address@ip:203.0.113.1'],
      ['address@ip:127.0.0.1'],
    ]);
    expect(gate.limits[1]).toEqual([2, 32]);
  });

  it('does not get around a limit by leaving its header away', async () => {
    const { url, gate } = await start();

    const statuses = [];
    for (let call = 0; call < 3; call++) statuses.push((await fetch(`${url}/key`)).status);

    expect(statuses).toEqual([200, 200, 429]);
    expect(gate.asked[0]).toEqual(['key@header:x-api-key:']);
  });

  it('cannot make the subject of another by what its header says', async () => {
    const { url, gate } = await start();
    for (const key of ['a|endpoint:b', 'a%7Cendpoint:b', 'é|', '__proto__'])
      await fetch(`${url}/both`, { headers: { 'x-api-key': Buffer.from(key, 'latin1').toString('latin1') } });

    expect(gate.asked.flat()).toEqual([
      'both@header:x-api-key:a%7Cendpoint:b|endpoint:RootTestModule/Shop.both|ip:127.0.0.1',
      'both@header:x-api-key:a%257Cendpoint:b|endpoint:RootTestModule/Shop.both|ip:127.0.0.1',
      'both@header:x-api-key:é%7C|endpoint:RootTestModule/Shop.both|ip:127.0.0.1',
      'both@header:x-api-key:__proto__|endpoint:RootTestModule/Shop.both|ip:127.0.0.1',
    ]);
  });

  it('is limited by each of several subjects', async () => {
    const { url, gate } = await start();

    expect((await fetch(`${url}/each`, { headers: { 'x-api-key': 'a' } })).status).toBe(200);
    expect((await fetch(`${url}/each`, { headers: { 'x-api-key': 'b' } })).status).toBe(200);
    const denied = await fetch(`${url}/each`, { headers: { 'x-api-key': 'c' } });

    expect([denied.status, await denied.json()]).toEqual([
      429,
      expect.objectContaining({ 'violated-policies': ['each'] }),
    ]);
    expect(gate.asked[2]).toEqual(['each@ip:127.0.0.1', 'each@header:x-api-key:c']);
  });

  it('may have a subject of ten kilobytes', async () => {
    const { url, gate } = await start();
    const headers = { 'x-api-key': 'k'.repeat(10_240) };

    const statuses = [];
    for (let call = 0; call < 3; call++) statuses.push((await fetch(`${url}/key`, { headers })).status);

    expect(statuses).toEqual([200, 200, 429]);
    const [subject] = gate.asked[0]!;
    expect(subject).toHaveLength('key@header:x-api-key:'.length + 10_240);
    expect(subjectKey('', subject!).length).toBeLessThan(100);
  });

  it.each<[unknown, number]>([
    [{ email: 'ann@shop.test' }, 201],
    [{}, 201],
    [{ email: '' }, 400],
    [{ email: null }, 400],
    [{ email: ['ann@shop.test'] }, 400],
    [{ email: { toString: 'x' } }, 400],
    [{ email: 5 }, 400],
  ])('who is to be named by %j gets %d, and never an error of the server', async (body, status) => {
    const { url, gate } = await start();

    const response = await fetch(`${url}/email`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });

    expect(response.status).toBe(status);
    if (status === 400) expect(await response.json()).toMatchObject({ code: 'RATE_LIMIT_CALL' });
    expect(gate.asked).toEqual(
      body && (body as { email?: unknown }).email && status === 201 ? [['email@ann@shop.test']] : [],
    );
  });

  it.each(['', '0', '-1', 'NaN', '1e99', '1.5', 'Infinity'])('gets no limit of %j', async (plan) => {
    const { url, gate } = await start();

    expect((await fetch(`${url}/paid`, { headers: { 'x-plan': plan } })).status).toBe(400);

    expect(gate.asked).toEqual([]);
  });

  it('shares one limit with all others who come over a Unix socket', async () => {
    const socket = path.join(await mkdtemp(path.join(tmpdir(), 'limits-')), 'http.sock');
    const { app, gate } = await start();
    await app.getHttpServer().close();
    await new Promise<void>((resolve) => app.getHttpServer().listen(socket, resolve));
    const status = () =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ socketPath: socket, path: '/address', agent: false }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        })
          .on('error', reject)
          .end();
      });

    expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
    expect(gate.asked[0]).toEqual(['address@ip:unknown']);
  });
});
