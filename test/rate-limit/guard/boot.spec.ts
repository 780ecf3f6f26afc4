import { Controller, Get, Injectable, Module, Scope, UseGuards, type LoggerService, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MessagePattern } from '@nestjs/microservices';
import {
  type Policy,
  RateLimit,
  RateLimitGuard,
  RateLimitModule,
  SkipRateLimit,
  fixedWindow,
  gcra,
  slidingLog,
  RateLimitOptionsError,
} from '@nuthatch/rate-limit';
import { closeApps, startApp, type GuardedAppOptions } from './guarded-app.js';

const policies = { five: fixedWindow({ limit: 5, per: '1m' }) };

afterEach(closeApps);

/** What is wrong at boot. */
async function mistakesOf(options: GuardedAppOptions): Promise<readonly string[]> {
  const error = await startApp('express', { policies, ...options }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RateLimitOptionsError);
  return (error as RateLimitOptionsError).mistakes;
}

describe('The start of an application', () => {
  it('fails with all mistakes in its decorators', async () => {
    @Controller()
    @RateLimit('fife')
    @SkipRateLimit('all')
    class Wrong {
      @Get('a') @RateLimit('five', 'six') a() {
        return '';
      }
      @Get('b') @RateLimit(gcra({ limit: 0, per: '1m' })) @RateLimit('five', { cost: 6 }) b() {
        return '';
      }
      @Get('c') @RateLimit('five', { cost: 0.5 }) @SkipRateLimit('none') c() {
        return '';
      }
      @Get('d') @RateLimit('five', { const: 2 } as never) d() {
        return '';
      }
      @Get('e') @RateLimit({ limit: 5, per: '1m' } as never) e() {
        return '';
      }
      @Get('f') @RateLimit(undefined as never) f() {
        return '';
      }
    }

    expect(await mistakesOf({ controllers: [Wrong] })).toEqual([
      '@RateLimit() on RootTestModule/Wrong names "fife", and there is no such policy. Add it to "policies" of RateLimitModule, or correct the name.',
      '@SkipRateLimit() on RootTestModule/Wrong names "all", and there is no such policy. Add it to "policies" of RateLimitModule, or correct the name.',
      '@RateLimit() on RootTestModule/Wrong.a() names "six", and there is no such policy. Add it to "policies" of RateLimitModule, or correct the name.',
      expect.stringMatching(/^@RateLimit\(\) on RootTestModule\/Wrong\.b\(\)\.limit is 0\./),
      '@RateLimit() on RootTestModule/Wrong.b() has the cost 6, more than the 5 that "five" gives at once. Lower it, or raise that.',
      '@SkipRateLimit() on RootTestModule/Wrong.c() names "none", and there is no such policy. Add it to "policies" of RateLimitModule, or correct the name.',
      '@RateLimit() on RootTestModule/Wrong.c() has the cost 0.5. Give a whole number of 1 or more, or a function.',
      expect.stringMatching(/Wrong\.d\(\) has the option "const", which there is not\. Known: cost\./),
      expect.stringMatching(/Wrong\.e\(\) names no policy\./),
      expect.stringMatching(/Wrong\.e\(\) has the option "limit", .* A policy is made by gcra\(\) and such\./),
      expect.stringMatching(/Wrong\.e\(\) has the option "per"/),
      expect.stringMatching(/Wrong\.f\(\) names a value of type undefined/),
    ]);
  });

  it.each<[string, Policy]>([
    ['limit', slidingLog({ limit: 129, per: '1m' })],
    ['per', gcra({ limit: 5, per: 'soon' as never })],
    ['cost', gcra({ limit: 5, per: '1m', cost: 6 })],
    ['by', gcra({ limit: 5, per: '1m', by: 'nobody' as never })],
    ['kind', { kind: 'other' } as never],
  ])('fails when the %s of a policy in a decorator is wrong', async (part, policy) => {
    @Controller()
    class Wrong {
      @Get() @RateLimit(policy) wrong() {
        return '';
      }
    }

    expect((await mistakesOf({ controllers: [Wrong] })).join()).toMatch(
      new RegExp(String.raw`^@RateLimit\(\) on RootTestModule/Wrong\.wrong\(\)\.${part}`),
    );
  });

  it('warns of decorators where Nest calls nobody, and of messages that have no address', async () => {
    @Injectable()
    class Mailer {
      @RateLimit('five') send() {
        return '';
      }
    }
    @Controller()
    class Prices {
      @MessagePattern('price') @RateLimit('five') price() {
        return 1;
      }
      @MessagePattern('stock') @RateLimit(gcra({ limit: 5, per: '1m', by: 'endpoint' })) stock() {
        return 1;
      }
    }
    const warnings: string[] = [];
    const ignore = (): void => undefined;
    const logger: LoggerService = { log: ignore, error: ignore, warn: (message: string) => warnings.push(message) };

    await startApp('express', { policies, controllers: [Prices], providers: [Mailer], logger });

    expect(warnings).toEqual([
      expect.stringMatching(/on RootTestModule\/Mailer\.send\(\) says nothing unless Nest calls that method/),
      expect.stringMatching(/by: 'ip' do not limit RootTestModule\/Prices\.price\./),
    ]);
  });

  it('keeps handlers apart whose classes have the same name', async () => {
    const users = (path: string): Type => {
      @Controller(path)
      class Users {
        @Get() @RateLimit(fixedWindow({ limit: 1, per: '1m', by: 'endpoint' })) list() {
          return '';
        }
      }
      return Users;
    };
    @Module({ controllers: [users('shop'), users('shop2')] })
    class ShopModule {}
    @Module({ controllers: [users('admin')] })
    class AdminModule {}
    const { url, gate } = await startApp('express', { policies, imports: [ShopModule, AdminModule] });
    const statusOf = async (path: string): Promise<number> => (await fetch(`${url}/${path}`)).status;

    expect([await statusOf('shop'), await statusOf('shop2'), await statusOf('admin')]).toEqual([200, 200, 200]);
    expect([await statusOf('shop'), await statusOf('shop2'), await statusOf('admin')]).toEqual([429, 429, 429]);

    expect(gate.asked.slice(0, 3)).toEqual([
      ['ShopModule/Users.list@endpoint:ShopModule/Users.list'],
      ['ShopModule/Users#2.list@endpoint:ShopModule/Users#2.list'],
      ['AdminModule/Users.list@endpoint:AdminModule/Users.list'],
    ]);
  });

  it('gives what a base class declares to each of its subclasses by itself', async () => {
    abstract class Base {
      @Get() @RateLimit(fixedWindow({ limit: 1, per: '1m' })) list() {
        return '';
      }
    }
    @Controller('a')
    @RateLimit('five')
    class A extends Base {}
    @Controller('b')
    @SkipRateLimit()
    class B extends A {}
    const { url, gate } = await startApp('express', { policies, controllers: [A, B] });

    await fetch(`${url}/a`);
    await fetch(`${url}/b`);

    expect(gate.asked).toEqual([
      ['five@ip:127.0.0.1', 'RootTestModule/A.list@ip:127.0.0.1'],
      ['five@ip:127.0.0.1', 'RootTestModule/B.list@ip:127.0.0.1'],
    ]);
  });

  it('fails where the module is imported twice, which would charge each call twice', async () => {
    expect(
      await mistakesOf({ imports: [RateLimitModule.forRoot({ policies: { other: gcra({ limit: 1, per: '1m' }) } })] }),
    ).toEqual([expect.stringMatching(/^RateLimitModule is imported twice/)]);
  });

  it('knows handlers that a constructor binds for each request', async () => {
    @Controller({ path: 'bound', scope: Scope.REQUEST })
    @RateLimit(fixedWindow({ limit: 1, per: '1m', by: 'endpoint' }))
    class Bound {
      constructor() {
        this.get = this.get.bind(this);
      }
      @Get() @RateLimit('five', { cost: 2 }) get() {
        return '';
      }
    }
    const { url, gate } = await startApp('express', { policies, controllers: [Bound] });

    expect([(await fetch(`${url}/bound`)).status, (await fetch(`${url}/bound`)).status]).toEqual([200, 429]);

    expect(gate.asked[0]).toEqual(['RootTestModule/Bound@endpoint:RootTestModule/Bound.get', 'five@ip:127.0.0.1']);
    expect(gate.costs.slice(0, 2)).toEqual([undefined, 2]);
  });

  it('says what is missing where there is no RateLimitModule', async () => {
    @Controller()
    class Alone {
      @Get() @RateLimit('five') alone() {
        return '';
      }
    }

    await expect(Test.createTestingModule({ controllers: [Alone] }).compile()).rejects.toThrow(
      /import RateLimitModule\.forRoot\(\) in the root module/,
    );
  });

  it('takes names of any script, which no header could hold', async () => {
    @Controller()
    class Überblick {
      @Get() @RateLimit(fixedWindow({ limit: 5, per: '1m' })) größe() {
        return '';
      }
    }
    const { url, gate } = await startApp('express', { policies, controllers: [Überblick] });

    const response = await fetch(url);

    expect([response.status, response.headers.has('ratelimit')]).toEqual([200, true]);
    expect(gate.asked).toEqual([['RootTestModule/Überblick.größe@ip:127.0.0.1']]);
  });

  it('guards by the guard alone where somebody puts it on all handlers', async () => {
    @Controller()
    class Users {
      @Get() @RateLimit('five') @UseGuards(RateLimitGuard) list() {
        return '';
      }
    }
    const { url, gate } = await startApp('express', {
      policies: { ...policies, user: fixedWindow({ limit: 5, per: '1m', by: 'user' }) },
      defaults: ['user'],
      controllers: [Users],
      prepare: (app) => void app.useGlobalGuards(app.get(RateLimitGuard)),
    });

    expect((await fetch(url)).status).toBe(401);

    expect(gate.asked).toEqual([['five@ip:127.0.0.1']]);
  });

  it('fails where a decorator stands on what nobody calls', () => {
    expect(() => {
      class Wrong {
        @RateLimit('five') static list(): string {
          return '';
        }
      }
      return Wrong;
    }).toThrow(/@RateLimit\(\) is on list\. Put it on a class, or on a method that is not static\./);
  });
});
