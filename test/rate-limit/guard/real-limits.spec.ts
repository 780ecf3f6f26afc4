import { randomUUID } from 'node:crypto';
import {
  Controller,
  Get,
  HttpException,
  Injectable,
  Query,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { concurrency, fixedWindow, RateLimit, RateLimiter, SkipRateLimit } from '@nuthatch/rate-limit';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { sharedServers } from '../../redis/open-connection.js';
import { deferred } from './deferred.js';
import { closeApps, limitsOf, PLATFORMS, startApp, until, type GuardedApp } from './guarded-app.js';

@Injectable()
class AuthGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: unknown }>();
    request.user = request.headers.authorization;
    return true;
  }
}

let hold = deferred();

@Controller()
class Shop {
  @Get('buy') @RateLimit('three') buy() {
    return '';
  }
  @Get('login') @RateLimit('failed') login(@Query('status') status: string) {
    if (status !== '200') throw new HttpException('', Number(status));
    return '';
  }
  @Get('slow') @SkipRateLimit() @RateLimit('places') async slow() {
    await hold.promise;
    return '';
  }
  @Get('mine') @UseGuards(AuthGuard) @RateLimit('user') mine() {
    return '';
  }
}

afterEach(async () => {
  hold.resolve();
  await closeApps();
});

const CONNECTIONS: Record<string, () => RedisConnectionOptions> = {
  embedded: () => ({ mode: 'embedded' }),
  standalone: () => sharedServers().standalone,
};

describe.each(PLATFORMS.flatMap((platform) => Object.keys(CONNECTIONS).map((mode) => [platform, mode] as const)))(
  'Limits of routes on %s, held by %s',
  (platform, mode) => {
    let app: GuardedApp;
    let client: string;

    beforeEach(async () => {
      // Its own subjects, as the server is shared.
      client = randomUUID();
      hold = deferred();
      const by = 'header:x-client';
      app = await startApp(platform, {
        gate: 'real',
        connection: CONNECTIONS[mode]!(),
        defaults: ['wide'],
        policies: {
          wide: fixedWindow({ limit: 5, per: '1h', by }),
          three: fixedWindow({ limit: 3, per: '1h', by }),
          failed: fixedWindow({ limit: 2, per: '1h', by: [by, 'endpoint'], when: 'failures' }),
          places: concurrency({ max: 2, by }),
          user: fixedWindow({ limit: 1, per: '1h', by: 'user' }),
        },
        controllers: [Shop],
      });
    });

    const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${app.url}/${path}`, { headers: { 'x-client': client, ...headers } });
    const statusesOf = async (...paths: string[]): Promise<number[]> => {
      const statuses = [];
      for (const path of paths) statuses.push((await get(path)).status);
      return statuses;
    };

    it('charge a denied call to none of its policies', async () => {
      expect(await statusesOf('buy', 'buy', 'buy', 'buy', 'buy')).toEqual([200, 200, 200, 429, 429]);

      const denied = await get('buy');

      expect(limitsOf(denied)).toMatch(/^"wide";r=2, "three";r=0;t=3600$/);
      expect(denied.headers.get('retry-after')).toBe('3600');
      expect((await app.app.get(RateLimiter).peek('wide', `header:x-client:${client}`)).remaining).toBe(2);
    });

    it('count what has failed, and not what went well', async () => {
      const subject = `header:x-client:${client}|endpoint:RootTestModule/Shop.login`;
      const left = async (): Promise<number> => (await app.app.get(RateLimiter).peek('failed', subject)).remaining;

      expect(await statusesOf('login?status=200')).toEqual([200]);
      await until(async () => expect(await left()).toBe(2));
      expect(await statusesOf('login?status=401')).toEqual([401]);
      expect(await left()).toBe(1);
      expect(await statusesOf('login?status=200')).toEqual([200]);
      await until(async () => expect(await left()).toBe(1));
      expect(await statusesOf('login?status=500', 'login?status=200')).toEqual([500, 429]);
    });

    it('free the places of calls that have ended', async () => {
      const slow = [get('slow'), get('slow')];
      const places = async (): Promise<number> =>
        (await app.app.get(RateLimiter).peek('places', `header:x-client:${client}`)).remaining;
      await until(async () => expect(await places()).toBe(0));

      expect(await statusesOf('slow')).toEqual([429]);
      hold.resolve();
      await Promise.all(slow);

      await until(async () => expect(await places()).toBe(2));
    });

    it('wait for the user', async () => {
      const ann = { authorization: `ann-${client}` };

      expect([(await get('mine', ann)).status, (await get('mine', ann)).status, (await get('mine')).status]).toEqual([
        200, 429, 401,
      ]);
      expect((await get('mine', { authorization: `bob-${client}` })).status).toBe(200);
    });
  },
);
