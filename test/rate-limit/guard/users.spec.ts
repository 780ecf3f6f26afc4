import {
  Controller,
  Get,
  Injectable,
  UnauthorizedException,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type LoggerService,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { type RateLimitDecision, RateLimit, RateLimitInfo, fixedWindow } from '@nuthatch/rate-limit';
import { closeApps, limitsOf, PLATFORMS, startApp, until, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  address: fixedWindow({ limit: 20, per: '1m' }),
  user: fixedWindow({ limit: 2, per: '1m', by: 'user' }),
  trial: fixedWindow({ limit: 2, per: '1m', by: 'user', mode: 'shadow' }),
  account: fixedWindow({ limit: 5, per: '1m', by: ({ user }) => (user as { id: string } | undefined)?.id }),
  tier: fixedWindow({ limit: ({ user }) => (user === 'gold' ? 3 : 1), per: '1m', by: 'user' }),
};

/** Logs in whoever says a name, and lets the others pass. */
@Injectable()
class AuthGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
    const { authorization } = request.headers;
    if (authorization === 'wrong') throw new UnauthorizedException();
    if (authorization) request.user = authorization.startsWith('{') ? JSON.parse(authorization) : { id: authorization };
    return true;
  }
}

@Controller()
@UseGuards(AuthGuard)
class Accounts {
  @Get('mine') mine(@RateLimitInfo() info: RateLimitDecision | undefined) {
    return info?.policies.map(({ name, remaining }) => `${name} ${remaining}`);
  }
  @Get('own') @RateLimit('address', 'user') own() {
    return '';
  }
  @Get('tried') @RateLimit('trial') tried() {
    return '';
  }
}

afterEach(closeApps);

describe.each(PLATFORMS)('A policy that limits users on %s', (platform) => {
  const start = (options: GuardedAppOptions = {}) =>
    startApp(platform, { policies, controllers: [Accounts], defaults: ['address', 'user'], ...options });
  const as = (user?: string): RequestInit => (user === undefined ? {} : { headers: { authorization: user } });

  it('waits until the guards after it have logged the caller in, and does not take the address instead', async () => {
    const { url, gate } = await start();

    const first = await fetch(`${url}/mine`, as('ann'));
    expect(await first.json()).toEqual(['address 19', 'user 1']);
    expect(limitsOf(first)).toBe('"address";r=19;t=60, "user";r=1;t=60');
    await fetch(`${url}/mine`, as('ann'));
    const denied = await fetch(`${url}/mine`, as('ann'));

    expect(denied.status).toBe(429);
    expect(denied.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await denied.json()).toMatchObject({ 'violated-policies': ['user'], retryAfterMs: 12_500 });
    expect(denied.headers.get('retry-after')).toBe('13');
    expect(await (await fetch(`${url}/mine`, as('bob'))).json()).toEqual(['address 17', 'user 1']);
    expect(gate.asked.slice(0, 2)).toEqual([['address@ip:127.0.0.1'], ['user@user:ann']]);
    expect(gate.asked).toHaveLength(8);
  });

  it('tells of both halves how the call went, and charges neither where one denies it', async () => {
    const { url, gate } = await start({
      policies: { ...policies, user: fixedWindow({ limit: 1, per: '1m', by: 'user' }) },
    });

    await fetch(`${url}/mine`, as('ann'));
    await until(() => expect(gate.finished).toEqual(['address@ip:127.0.0.1: success', 'user@user:ann: success']));
    const denied = await fetch(`${url}/mine`, as('ann'));

    await until(() => expect(gate.finished.slice(2)).toEqual(['address@ip:127.0.0.1: cancelled']));
    expect(limitsOf(denied)).toBe('"address";r=19, "user";r=0;t=13');
  });

  it('is decided with all others where the caller is logged in before', async () => {
    const { url, gate } = await start({ providers: [{ provide: APP_GUARD, useClass: AuthGuard }] });

    expect((await fetch(`${url}/mine`, as('ann'))).status).toBe(200);

    expect(gate.asked).toEqual([['address@ip:127.0.0.1', 'user@user:ann']]);
  });

  it('is decided where its decorator stands, unless there are defaults to be decided before', async () => {
    const { url, gate } = await start({ defaults: [] });

    expect((await fetch(`${url}/own`, as('ann'))).status).toBe(200);
    expect((await fetch(`${url}/own`, as('wrong'))).status).toBe(401);

    expect(gate.asked).toEqual([['address@ip:127.0.0.1', 'user@user:ann']]);
  });

  it('refuses callers who are not logged in even then, and says why in the log once', async () => {
    const warnings: unknown[] = [];
    const ignore = (): void => undefined;
    const logger: LoggerService = { log: ignore, error: ignore, warn: (message: unknown) => warnings.push(message) };
    const { url, gate } = await start({ logger });

    const refused = await fetch(`${url}/mine`);

    expect(refused.status).toBe(401);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await refused.json()).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      detail: 'Log in to do this.',
      code: 'RATE_LIMIT_CALL',
    });
    expect((await fetch(`${url}/mine`)).status).toBe(401);
    expect(gate.asked).toEqual([['address@ip:127.0.0.1'], ['address@ip:127.0.0.1']]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/The policy "user" limits users, and nobody was logged in when .*Accounts\.mine\(\)/);
  });

  it('is not asked about calls that the guard of the login denies', async () => {
    const { url, gate } = await start();

    expect((await fetch(`${url}/mine`, as('wrong'))).status).toBe(401);

    expect(gate.asked).toEqual([['address@ip:127.0.0.1']]);
  });

  it('refuses nobody while it is in the shadow', async () => {
    const { url, gate } = await start({ defaults: [] });

    expect((await fetch(`${url}/tried`)).status).toBe(200);
    expect((await fetch(`${url}/tried`, as('ann'))).status).toBe(200);

    expect(gate.asked).toEqual([['trial@user:ann']]);
  });

  it('does not apply where a function says so', async () => {
    const { url, gate } = await start({ defaults: ['account'] });

    expect((await fetch(`${url}/mine`)).status).toBe(200);

    expect(gate.asked).toEqual([]);
  });

  it.each([
    ['{"id":7}', 'user:7'],
    ['{"sub":"s"}', 'user:s'],
    ['{"userId":"u"}', 'user:u'],
    ['{"_id":"m"}', 'user:m'],
    ['{"id":"a","sub":"b"}', 'user:a'],
    ['{"id":"","sub":"b"}', 'user:b'],
  ])('knows %s as %s', async (user, subject) => {
    const { url, gate } = await start({ defaults: ['user'] });

    expect((await fetch(`${url}/mine`, as(user))).status).toBe(200);

    expect(gate.asked).toEqual([[`user@${subject}`]]);
  });

  it.each(['{"name":"ann"}', '{"id":{}}', '{"id":""}', '{"id":true}'])('refuses %s, who has no id', async (user) => {
    const { url, gate } = await start({ defaults: ['user'] });

    const refused = await fetch(`${url}/mine`, as(user));

    expect([refused.status, await refused.json()]).toEqual([400, expect.objectContaining({ code: 'RATE_LIMIT_CALL' })]);
    expect(gate.asked).toEqual([]);
  });

  it('gives each caller the limit that a function says', async () => {
    @Injectable()
    class NameGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
        request.user = request.headers.authorization;
        return true;
      }
    }
    const { url, gate } = await start({
      defaults: ['tier'],
      prepare: (app) => void app.useGlobalGuards(new NameGuard()),
      controllers: [
        (() => {
          @Controller()
          class Tiers {
            @Get('mine') mine() {
              return '';
            }
          }
          return Tiers;
        })(),
      ],
    });

    await fetch(`${url}/mine`, as('gold'));
    await fetch(`${url}/mine`, as('tin'));

    expect(gate.limits).toEqual([[3], [1]]);
  });
});
