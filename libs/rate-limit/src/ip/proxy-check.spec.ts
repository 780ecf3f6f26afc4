import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { addressOf } from './address-of.js';
import { ProxyCheck } from './proxy-check.js';

const FORWARDED = { 'x-forwarded-for': '203.0.113.9' };

describe.each(['Express', 'Fastify'] as const)('The proxy check on %s', (kind) => {
  it('warns once when a proxy says who calls, and is not believed', async () => {
    const { check, warnings } = checkWithWarnings();
    const request = requestsOf(kind, false);

    for (let call = 0; call < 3; call += 1) check.atRequest(await request(FORWARDED));

    expect(warnings).toEqual([
      `A request came from 127.0.0.1 to ${kind} with the header X-Forwarded-For, and it trusts no proxy: all who come through ` +
        'the same proxy share one limit by IP. Have the proxy set X-Forwarded-For, and say which one is yours: ' +
        (kind === 'Express'
          ? "app.set('trust proxy', '127.0.0.1'). "
          : "new FastifyAdapter({ trustProxy: ['127.0.0.1'] }). ") +
        'If 127.0.0.1 is no proxy of yours, the header was made up, and nothing is wrong.',
    ]);
  });

  it.each([
    ['forwarded', 'Forwarded'],
    ['x-real-ip', 'X-Real-IP'],
    ['cf-connecting-ip', 'CF-Connecting-IP'],
  ])('knows a proxy by its header %s', async (name, shown) => {
    const { check, warnings } = checkWithWarnings();

    check.atRequest(await requestsOf(kind, false)({ [name]: '203.0.113.9' }));

    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`with the header ${shown},`);
  });

  it('writes nothing of what the caller sends into the log', async () => {
    const { check, warnings } = checkWithWarnings();

    check.atRequest(await requestsOf(kind, false)({ 'x-forwarded-for': 'forged\t\u00e9', 'x-real-ip': 'forged' }));

    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^[ -~]+$/);
    expect(warnings[0]).not.toContain('forged');
  });

  it('warns after requests that came without a proxy, such as health checks', async () => {
    const { check, warnings } = checkWithWarnings();
    const request = requestsOf(kind, false);

    check.atRequest(await request({}));
    check.atRequest(await request({}));
    expect(warnings).toEqual([]);
    check.atRequest(await request(FORWARDED));
    expect(warnings).toHaveLength(1);
  });

  it('looks at the first thousand requests', async () => {
    const [before, after] = [checkWithWarnings(), checkWithWarnings()];
    const request = requestsOf(kind, false);
    const [plain, forwarded] = [await request({}), await request(FORWARDED)];

    for (let call = 1; call <= 999; call += 1) before.check.atRequest(plain);
    before.check.atRequest(forwarded);
    for (let call = 1; call <= 1_000; call += 1) after.check.atRequest(plain);
    after.check.atRequest(forwarded);

    expect(before.warnings).toHaveLength(1);
    expect(after.warnings).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['an address', '127.0.0.1'],
    ['a list', ['127.0.0.1', '10.0.0.0/8']],
    ['a function', (address: string) => address === '127.0.0.1'],
  ])('says nothing when the proxy is trusted by %s', async (_, trust) => {
    const { check, warnings } = checkWithWarnings();
    const request = requestsOf(kind, trust);
    const forwarded = await request(FORWARDED);

    check.atBoot(adapterOf(kind, trust));
    check.atRequest(forwarded);

    expect(warnings).toEqual([]);
    expect(addressOf(forwarded)).toBe('203.0.113.9');
  });

  it('does not warn of a forged header when it is another proxy that is trusted', async () => {
    const { check, warnings } = checkWithWarnings();
    const forged = await requestsOf(kind, '10.0.0.1')(FORWARDED);

    check.atRequest(forged);

    expect(warnings).toEqual([]);
    expect(addressOf(forged)).toBe('127.0.0.1');
  });

  it.each<[string, unknown]>([
    ['true', true],
    ['a function that says yes to everybody', () => true],
  ])('warns at boot when everybody is trusted by %s', async (_, trust) => {
    const { check, warnings } = checkWithWarnings();

    check.atBoot(adapterOf(kind, trust));
    check.atRequest(await requestsOf(kind, trust)(FORWARDED));

    expect(warnings).toEqual([
      `${kind} trusts every proxy (${kind === 'Express' ? '"trust proxy"' : '"trustProxy"'}), so whoever calls it can choose ` +
        'an address by the header X-Forwarded-For, and gets a fresh limit with each. Say which proxies are yours: ' +
        (kind === 'Express'
          ? "app.set('trust proxy', '10.0.0.7')."
          : "new FastifyAdapter({ trustProxy: ['10.0.0.7'] })."),
    ]);
  });

  it.each<[string, unknown]>([
    ['nobody', false],
    ['an address', '10.0.0.1'],
    ['a number of hops', 1],
    [
      'a function that throws',
      () => {
        throw new Error('for requests only');
      },
    ],
  ])('says nothing at boot when it trusts %s', (_, trust) => {
    const { check, warnings } = checkWithWarnings();

    check.atBoot(adapterOf(kind, trust));

    expect(warnings).toEqual([]);
  });

  it('tells how to trust a proxy that comes over a Unix socket', async () => {
    const { check, warnings } = checkWithWarnings();
    const onSocket = Object.create(await requestsOf(kind, false)(FORWARDED), { socket: { value: {} } }) as object;

    check.atRequest(onSocket);

    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('A request came over a Unix socket');
    expect(warnings[0]).toContain(
      kind === 'Express' ? "app.set('trust proxy', 1)." : '(address, hop) => hop === 0 }).',
    );
    expect(warnings[0]).not.toContain('made up');
  });

  it('waits for the next request when the connection is gone already', async () => {
    const { check, warnings } = checkWithWarnings();
    const request = await requestsOf(kind, false)(FORWARDED);

    check.atRequest(Object.create(request, { socket: { value: { destroyed: true } } }));
    expect(warnings).toEqual([]);
    check.atRequest(request);
    expect(warnings).toHaveLength(1);
  });
});

describe('The proxy check', () => {
  it('believes a number of hops on Express', async () => {
    const { check, warnings } = checkWithWarnings();
    const forwarded = await requestsOf('Express', 1)(FORWARDED);

    check.atRequest(forwarded);

    expect(warnings).toEqual([]);
    expect(addressOf(forwarded)).toBe('203.0.113.9');
  });

  it('warns when Fastify believes nobody by a number of hops', async () => {
    const { check, warnings } = checkWithWarnings();
    const request = requestsOf('Fastify', 1);

    check.atRequest(await request({}));
    const forwarded = await request(FORWARDED);
    check.atRequest(forwarded);
    check.atRequest(forwarded);

    // Where Fastify counts them again, this fails, and the warning has gone.
    expect(addressOf(forwarded)).toBe('127.0.0.1');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('and "trustProxy" is a number, by which it trusts no proxy:');
  });

  it('has nothing to say of other servers and requests', () => {
    const { check, warnings } = checkWithWarnings();

    check.atBoot(undefined);
    check.atBoot({ getType: () => '', getInstance: () => ({}) });
    check.atBoot({ getType: () => 'express', getInstance: () => undefined });
    for (const request of [undefined, null, 5, {}, { headers: FORWARDED }, { app: {}, headers: FORWARDED }]) {
      check.atRequest(request);
    }

    expect(warnings).toEqual([]);
  });

  it('is content with what it says to do for a Unix socket', async () => {
    const { check, warnings } = checkWithWarnings();
    const path = join(tmpdir(), `nuthatch-proxy-check-${process.pid}.sock`);
    const onExpress = await requestsOf('Express', 1, path)(FORWARDED);
    const onFastify = await requestsOf('Fastify', (_: string, hop: number) => hop === 0, path)(FORWARDED);

    check.atRequest(onExpress);
    check.atRequest(onFastify);

    expect(warnings).toEqual([]);
    expect(addressOf(onExpress)).toBe('203.0.113.9');
    expect(addressOf(onFastify)).toBe('203.0.113.9');
  });
});

function checkWithWarnings(): { check: ProxyCheck; warnings: string[] } {
  const warnings: string[] = [];
  return { check: new ProxyCheck({ warn: (message: string) => warnings.push(message) }), warnings };
}

function adapterOf(kind: 'Express' | 'Fastify', trust: unknown): ExpressAdapter | FastifyAdapter {
  if (kind === 'Fastify') return new FastifyAdapter({ trustProxy: trust as boolean });
  const adapter = new ExpressAdapter();
  adapter.set('trust proxy', trust);
  return adapter;
}

/** Real requests, as a guard gets them. */
function requestsOf(
  kind: 'Express' | 'Fastify',
  trust: unknown,
  path?: string,
): (headers: Record<string, string>) => Promise<object> {
  return async (headers) => {
    let seen: object = {};
    const adapter = adapterOf(kind, trust);
    adapter.get('/', (request: object, response: { send(body: string): void }) => {
      seen = keep(request);
      response.send('');
    });
    await adapter.init();
    if (adapter instanceof FastifyAdapter) await adapter.getInstance().ready();
    const server =
      adapter instanceof FastifyAdapter
        ? adapter.getInstance().server
        : createServer(adapter.getInstance() as RequestListener);
    if (path === undefined) server.listen(0, '127.0.0.1');
    else server.listen(path);
    await once(server, 'listening');
    const { port } = (path === undefined ? server.address() : {}) as { port?: number };
    const where = path === undefined ? { host: '127.0.0.1', port } : { socketPath: path };
    const request = httpRequest({ ...where, headers, agent: false }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    server.close();
    await once(server, 'close');
    return seen;
  };
}

/** The connection is closed by the time of the test, so what was known of it is kept. */
function keep(request: object): object {
  const { socket } = request as { socket: { remoteAddress?: string } };
  const { ip, ips } = request as { ip?: string; ips?: string[] };
  const kept = { socket: { remoteAddress: socket.remoteAddress }, ip, ips };
  return Object.create(request, Object.getOwnPropertyDescriptors(kept)) as object;
}
