import {
  Controller,
  Get,
  Head,
  HttpException,
  Options,
  ParseIntPipe,
  Post,
  Query,
  Res,
  StreamableFile,
  UseGuards,
  type ArgumentsHost,
  type HttpServer,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { Readable } from 'node:stream';
import { request, type Server } from 'node:http';
import {
  RateLimit,
  RateLimitInfo,
  SkipRateLimit,
  type RateLimitDecision,
  concurrency,
  fixedWindow,
  gcra,
} from '@nuthatch/rate-limit';
import { deferred } from './deferred.js';
import { closeApps, limitsOf, PLATFORMS, startApp, until, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  two: fixedWindow({ limit: 2, per: '1m' }),
  five: fixedWindow({ limit: 5, per: '1m' }),
  wide: gcra({ limit: 1000, per: '1m' }),
  shadow: fixedWindow({ limit: 1, per: '1m', mode: 'shadow' }),
};

class Recording extends BaseExceptionFilter {
  constructor(
    private readonly caught: Error[],
    adapter: HttpServer,
  ) {
    super(adapter);
  }

  override catch(error: Error, host: ArgumentsHost): void {
    this.caught.push(error);
    super.catch(error, host);
  }
}

afterEach(closeApps);

describe.each(PLATFORMS)('RateLimitGuard on %s', (platform) => {
  const start = (options: GuardedAppOptions) => startApp(platform, { policies, ...options });
  const statusOf = async (url: string, init?: RequestInit): Promise<number> => (await fetch(url, init)).status;

  it('allows what the policy allows, and denies the rest with all that a client needs', async () => {
    @Controller()
    class Logins {
      @Get('login') @RateLimit('two', 'shadow') login() {
        return { ok: true };
      }
    }
    const { url, gate } = await start({ controllers: [Logins] });

    const first = await fetch(`${url}/login`);
    expect([first.status, await first.json()]).toEqual([200, { ok: true }]);
    expect(first.headers.get('ratelimit-policy')).toMatch(/^"two";q=2;w=60;pk=:[^:]+:$/);
    expect(limitsOf(first)).toBe('"two";r=1;t=60');
    expect(first.headers.get('content-type')).toMatch(/^application\/json/);
    await fetch(`${url}/login`);
    const denied = await fetch(`${url}/login`);

    expect(denied.status).toBe(429);
    expect(denied.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(denied.headers.get('retry-after')).toBe('13');
    expect(limitsOf(denied)).toBe('"two";r=0;t=13');
    expect(await denied.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
      status: 429,
      detail: 'The limit "two" is reached. Try again in 13 seconds.',
      'violated-policies': ['two'],
      retryAfterMs: 12_500,
    });
    expect(gate.asked).toEqual(Array.from({ length: 3 }, () => ['two@ip:127.0.0.1', 'shadow@ip:127.0.0.1']));
  });

  it('decides defaults, class and method together, each name once, however many guards there are', async () => {
    @Controller()
    @RateLimit('five')
    class Shop {
      @Get('buy') @RateLimit('two') @RateLimit('five', { cost: 2 }) buy() {
        return '';
      }
      @Get('look') look() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Shop], defaults: ['wide'] });

    expect(await statusOf(`${url}/buy`)).toBe(200);
    expect(await statusOf(`${url}/look`)).toBe(200);

    expect(gate.asked).toEqual([
      ['wide@ip:127.0.0.1', 'five@ip:127.0.0.1', 'two@ip:127.0.0.1'],
      ['wide@ip:127.0.0.1', 'five@ip:127.0.0.1'],
    ]);
    expect(gate.costs).toEqual([undefined, 2, undefined, undefined, undefined]);
  });

  it('takes away what @SkipRateLimit() names, or everything but what stands beside it', async () => {
    @Controller()
    @RateLimit('five')
    class Health {
      @Get('all') all() {
        return '';
      }
      @Get('some') @SkipRateLimit('wide') some() {
        return '';
      }
      @Get('none') @SkipRateLimit() none() {
        return '';
      }
      @Get('only') @SkipRateLimit() @RateLimit('two') only() {
        return '';
      }
    }
    @Controller('free')
    @SkipRateLimit('five', 'wide')
    class Free {
      @Get() free() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Health, Free], defaults: ['wide', 'two'] });
    const policiesOf = async (path: string): Promise<string[]> => {
      const response = await fetch(`${url}/${path}`);
      expect(response.status).toBe(200);
      return response.headers.get('ratelimit')?.match(/"\w+"/g) ?? [];
    };

    expect(await policiesOf('all')).toEqual(['"wide"', '"two"', '"five"']);
    expect(await policiesOf('some')).toEqual(['"two"', '"five"']);
    expect(await policiesOf('none')).toEqual([]);
    expect(gate.asked).toHaveLength(2);
    // The third of "two", had it been counted above.
    expect(await statusOf(`${url}/only`)).toBe(429);
    expect(gate.asked[2]).toEqual(['two@ip:127.0.0.1']);
    expect(await statusOf(`${url}/free`)).toBe(429);
    expect(gate.asked[3]).toEqual(['two@ip:127.0.0.1']);
  });

  it('hands the decision to the handler', async () => {
    @Controller()
    class Info {
      @Get('limited') @RateLimit('two', 'five') limited(@RateLimitInfo() info: RateLimitDecision | undefined) {
        return { names: info?.policies.map(({ name }) => name), remaining: info?.remaining };
      }
      @Get('free') free(@RateLimitInfo() info: RateLimitDecision | undefined) {
        return { info: info === undefined };
      }
    }
    const { url } = await start({ controllers: [Info] });

    expect(await (await fetch(`${url}/limited`)).json()).toEqual({ names: ['two', 'five'], remaining: 1 });
    expect(await (await fetch(`${url}/free`)).json()).toEqual({ info: true });
  });

  it('limits by a policy that stands in the decorator, each handler by itself', async () => {
    @Controller()
    @RateLimit(fixedWindow({ limit: 3, per: '1m', by: 'header:x-key' }))
    class Reports {
      @Get('one') @RateLimit(fixedWindow({ limit: 1, per: '1m' }), gcra({ limit: 9, per: '1m' })) one() {
        return '';
      }
      @Get('two') @RateLimit(fixedWindow({ limit: 1, per: '1m' })) two() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Reports] });

    expect([await statusOf(`${url}/one`), await statusOf(`${url}/one`), await statusOf(`${url}/two`)]).toEqual([
      200, 429, 200,
    ]);
    expect(gate.asked[0]).toEqual([
      'RootTestModule/Reports@header:x-key:',
      'RootTestModule/Reports.one@ip:127.0.0.1',
      'RootTestModule/Reports.one#2@ip:127.0.0.1',
    ]);
    expect(gate.asked[2]).toEqual(['RootTestModule/Reports@header:x-key:', 'RootTestModule/Reports.two@ip:127.0.0.1']);
  });

  it('takes what a function says a call costs, and refuses what is no cost', async () => {
    @Controller()
    class Uploads {
      @Post('upload')
      @RateLimit('five', { cost: (caller) => (caller.data as { items: unknown[] } | undefined)?.items?.length ?? 1 })
      upload() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Uploads] });
    const upload = (body: unknown) =>
      fetch(`${url}/upload`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });

    expect((await upload({ items: [1, 2, 3] })).status).toBe(201);
    expect((await upload({ items: [1, 2, 3] })).status).toBe(429);
    for (const [items, code] of [
      [{ length: 'x' }, 'RATE_LIMIT_CALL'],
      [[], 'RATE_LIMIT_CALL'],
      [{ length: -1 }, 'RATE_LIMIT_CALL'],
      [{ length: 1.5 }, 'RATE_LIMIT_CALL'],
      [{ length: 6 }, 'RATE_LIMIT_COST'],
    ]) {
      const refused = await upload({ items });
      expect(refused.status).toBe(400);
      expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await refused.json()).toMatchObject({ status: 400, code, type: 'about:blank' });
    }
    expect((await upload({})).status).toBe(201);
    expect(gate.costs).toEqual([3, 3, 1]);
  });

  it('refuses nothing because of a cost that a policy in the shadow could never give', async () => {
    @Controller()
    class Uploads {
      @Get('upload') @RateLimit('five', 'shadow', { cost: () => 2 }) upload() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Uploads] });

    expect(await statusOf(`${url}/upload`)).toBe(200);

    expect(gate.asked).toEqual([['five@ip:127.0.0.1']]);
  });

  it('waits for functions that answer later', async () => {
    @Controller()
    class Later {
      @Get('cost') @RateLimit('five', { cost: async () => 3 }) cost() {
        return '';
      }
      @Get('limit') @RateLimit(fixedWindow({ limit: (async () => 7) as never, per: '1m' })) limit() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Later] });

    expect([await statusOf(`${url}/cost`), await statusOf(`${url}/limit`)]).toEqual([200, 200]);

    expect([gate.costs, gate.limits]).toEqual([
      [3, undefined],
      [[5], [7]],
    ]);
  });

  const fails = (): never => {
    throw new TypeError('no such plan');
  };
  const failsLater = (): Promise<never> => Promise.reject(new TypeError('no such plan'));
  const failing: [string, () => never][] = [
    ['throws', fails],
    ['rejects', failsLater as () => never],
  ];

  describe.each(failing)('where a function of a policy %s', (_, fail) => {
    const failingPolicies = (mode: 'enforce' | 'shadow') => ({
      ...policies,
      whom: fixedWindow({ limit: 5, per: '1m', by: fail, mode }),
      much: fixedWindow({ limit: fail, per: '1m', mode }),
      costly: fixedWindow({ limit: 5, per: '1m', mode }),
    });
    @Controller()
    class Failing {
      @Get('whom') @RateLimit('two', 'whom') whom() {
        return '';
      }
      @Get('much') @RateLimit('two', 'much') much() {
        return '';
      }
      @Get('costly') @RateLimit('two') @RateLimit('costly', { cost: fail }) costly() {
        return '';
      }
    }

    it.each(['whom', 'much', 'costly'])('does without "%s" in the shadow, and says so once', async (path) => {
      const warnings: string[] = [];
      const ignore = (): void => undefined;
      const { url, gate } = await start({
        policies: failingPolicies('shadow'),
        controllers: [Failing],
        logger: { log: ignore, error: ignore, warn: (message: string) => warnings.push(message) },
      });

      expect([await statusOf(`${url}/${path}`), await statusOf(`${url}/${path}`)]).toEqual([200, 200]);

      expect(gate.asked).toEqual([['two@ip:127.0.0.1'], ['two@ip:127.0.0.1']]);
      expect(warnings).toEqual([
        expect.stringMatching(`^A function of the policy "${path}" has thrown in a call of .*: no such plan\\.`),
      ]);
    });

    it.each(['whom', 'much', 'costly'])('is an error of the server that names "%s"', async (path) => {
      const caught: Error[] = [];
      const { url, gate } = await start({
        policies: failingPolicies('enforce'),
        controllers: [Failing],
        prepare: (app) => void app.useGlobalFilters(new Recording(caught, app.getHttpAdapter())),
      });

      expect(await statusOf(`${url}/${path}`)).toBe(500);

      expect(caught).toEqual([expect.objectContaining({ code: 'RATE_LIMIT_FUNCTION' })]);
      expect(caught[0]!.message).toContain(`"${path}"`);
      expect(caught[0]!.cause).toEqual(new TypeError('no such plan'));
      expect(gate.asked).toEqual([]);
    });
  });

  it('answers what a function throws to the client itself', async () => {
    const teapot = (): never => {
      throw new HttpException('no', 418);
    };
    @Controller()
    class Teapots {
      @Get() @RateLimit('five', { cost: teapot }) pour() {
        return '';
      }
    }
    const { url } = await start({ controllers: [Teapots] });

    expect(await statusOf(url)).toBe(418);
  });

  it('asks no more of HEAD and OPTIONS than of other calls', async () => {
    @Controller()
    class Pages {
      @Get('page') @RateLimit('two') page() {
        return 'text';
      }
      @Head('head') @RateLimit('two') head() {
        return '';
      }
      @Options('options') @RateLimit('five') options() {
        return '';
      }
    }
    const { url, gate } = await start({ controllers: [Pages] });

    expect(await statusOf(`${url}/page`, { method: 'HEAD' })).toBe(200);
    expect(await statusOf(`${url}/head`, { method: 'HEAD' })).toBe(200);
    const denied = await fetch(`${url}/page`, { method: 'HEAD' });
    expect([denied.status, denied.headers.get('retry-after'), await denied.text()]).toEqual([429, '13', '']);
    expect(await statusOf(`${url}/options`, { method: 'OPTIONS' })).toBe(200);
    expect(gate.asked.at(-1)).toEqual(['five@ip:127.0.0.1']);
  });

  it('does not count what CORS answers by itself', async () => {
    @Controller()
    class Pages {
      @Get('page') page() {
        return '';
      }
    }
    const { url, gate } = await start({
      controllers: [Pages],
      defaults: ['five'],
      prepare: platform === 'express' ? (app) => app.enableCors() : () => undefined,
    });

    const status = await statusOf(`${url}/page`, {
      method: 'OPTIONS',
      headers: { origin: 'http://shop.test', 'access-control-request-method': 'GET' },
    });
    expect(status).toBe(platform === 'express' ? 204 : 404);
    expect(gate.asked).toEqual([]);
  });
});

describe.each(PLATFORMS)('The outcome of a call on %s', (platform) => {
  @Controller()
  @RateLimit('five')
  class Outcomes {
    static hold: Promise<void> = Promise.resolve();
    @Get('ok') ok() {
      return '';
    }
    @Get('throws') throws(@Query('status') status: string) {
      throw new HttpException('no', Number(status));
    }
    @Get('breaks') breaks() {
      throw new Error('broken');
    }
    @Get('by-hand') byHand(@Res() response: { status(code: number): { send(body: string): void } }) {
      response.status(409).send('');
    }
    @Get('stream') stream() {
      return new StreamableFile(Readable.from(['a', 'b', 'c']));
    }
    @Get('endless') endless(
      @Query('status') status: string | undefined,
      @Res({ passthrough: true }) response: { status(code: number): unknown },
    ) {
      response.status(Number(status ?? 200));
      return new StreamableFile(Readable.from(endless()));
    }
    @Get('slow') async slow() {
      await Outcomes.hold;
      return 'late';
    }
  }
  async function* endless(): AsyncGenerator<string> {
    for (;;) {
      yield 'x'.repeat(1_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const start = (options: GuardedAppOptions = {}) =>
    startApp(platform, { policies: { five: gcra({ limit: 50, per: '1m' }) }, controllers: [Outcomes], ...options });
  const five = (outcome: string): string => `five@ip:127.0.0.1: ${outcome}`;

  it.each([
    ['ok', 200, 'success'],
    ['throws?status=302', 302, 'success'],
    ['throws?status=400', 400, 'failure'],
    ['throws?status=503', 503, 'failure'],
    ['breaks', 500, 'failure'],
    ['by-hand', 409, 'failure'],
    ['stream', 200, 'success'],
  ])('of /%s, which is a %d, is a %s, and told once', async (path, status, outcome) => {
    const { url, gate } = await start();

    const response = await fetch(`${url}/${path}`, { redirect: 'manual' });
    await response.text();
    expect(response.status).toBe(status);

    await until(() => expect(gate.finished).toEqual([five(outcome)]));
    await fetch(`${url}/ok`);
    await until(() => expect(gate.finished).toEqual([five(outcome), five('success')]));
  });

  it.each(['slow', 'endless'])('of /%s is not known when the client goes away', async (path) => {
    const { url, gate } = await start();
    let release = (): void => undefined;
    Outcomes.hold = new Promise((resolve) => (release = resolve));
    const client = request(`${url}/${path}`);
    client.on('error', () => undefined);
    client.end();
    if (path === 'endless') await new Promise((resolve) => client.on('response', resolve));
    await until(() => expect(gate.asked).toHaveLength(1));

    client.destroy();

    await until(() => expect(gate.finished).toEqual([five('unknown')]));
    release();
    await fetch(`${url}/ok`);
    await until(() => expect(gate.finished).toEqual([five('unknown'), five('success')]));
  });

  it('is not known when the client has gone away before it was decided', async () => {
    const gone = deferred();
    const { url, gate, app } = await start();
    (app.getHttpServer() as Server).on('request', (_, response) => response.once('close', () => gone.resolve()));
    gate.beforeDecision = () => gone.promise;
    const client = request(`${url}/ok`);
    client.on('error', () => undefined);
    client.end();
    await until(() => expect(gate.asked).toHaveLength(1));

    client.destroy();

    await until(() => expect(gate.finished).toEqual([five('unknown')]));
  });

  it('is a failure when the client goes away while it is told so', async () => {
    const { url, gate } = await start();
    const client = request(`${url}/endless?status=503`);
    client.on('error', () => undefined);
    client.end();
    await new Promise((resolve) => client.on('response', resolve));

    client.destroy();

    await until(() => expect(gate.finished).toEqual([five('failure')]));
  });

  it('is not told of a call that was denied', async () => {
    const { url, gate } = await start({ policies: { five: gcra({ limit: 1, per: '1m' }) } });

    expect([(await fetch(`${url}/ok`)).status, (await fetch(`${url}/ok`)).status]).toEqual([200, 429]);

    await until(() => expect(gate.finished).toEqual([five('success')]));
  });

  it('is told of a call that a guard or a pipe after it has denied', async () => {
    @Controller()
    @RateLimit('five')
    class Strict {
      @Get('guarded') @UseGuards({ canActivate: () => false }) guarded() {
        return '';
      }
      @Get('piped') piped(@Query('id', ParseIntPipe) id: number) {
        return String(id);
      }
    }
    const { url, gate } = await start({ controllers: [Strict] });

    expect([(await fetch(`${url}/guarded`)).status, (await fetch(`${url}/piped?id=x`)).status]).toEqual([403, 400]);

    await until(() => expect(gate.finished).toEqual([five('failure'), five('failure')]));
  });

  it('frees the place of a call', async () => {
    const { url, gate } = await start({ policies: { five: concurrency({ max: 1 }) } });
    let release = (): void => undefined;
    Outcomes.hold = new Promise((resolve) => (release = resolve));
    const slow = fetch(`${url}/slow`);
    await until(() => expect(gate.asked).toHaveLength(1));

    expect((await fetch(`${url}/ok`)).status).toBe(429);
    release();
    expect(await (await slow).text()).toBe('late');

    await until(async () => expect((await fetch(`${url}/ok`)).status).toBe(200));
  });
});
