import { Catch, Controller, UseFilters, UseGuards, type CanActivate, type ExecutionContext } from '@nestjs/common';
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  RpcException,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { firstValueFrom, NEVER, of, throwError, toArray } from 'rxjs';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import {
  type RateLimitDecision,
  RateLimit,
  RateLimitExceededError,
  RateLimitInfo,
  concurrency,
  fixedWindow,
} from '@nuthatch/rate-limit';
import { closeApps, startApp, until, type GuardedApp, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  two: fixedWindow({ limit: 2, per: '1m', by: ({ data }) => `tenant:${(data as { tenant: string }).tenant}` }),
  address: fixedWindow({ limit: 1, per: '1m' }),
  user: fixedWindow({ limit: 1, per: '1m', by: 'user' }),
  failures: fixedWindow({ limit: 50, per: '1m', when: 'failures', by: 'endpoint' }),
  places: concurrency({ max: 1, by: 'endpoint' }),
};

class TenantGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { tenant } = context.switchToRpc().getData<{ tenant: string }>();
    if (tenant === 'wrong') return false;
    if (tenant) context.switchToRpc().getContext<{ user?: unknown }>().user = tenant;
    return true;
  }
}

@Catch(RateLimitExceededError)
class OwnFilter {
  catch(error: RateLimitExceededError) {
    return throwError(() => ({ own: error.decision.violated, isRpc: (error as unknown) instanceof RpcException }));
  }
}

const seen: unknown[] = [];

@Controller()
class Prices {
  @MessagePattern('price') @RateLimit('two', 'address') price(_: object, @RateLimitInfo() info: RateLimitDecision) {
    return info.remaining;
  }
  @MessagePattern('mine') @UseGuards(TenantGuard) @RateLimit('user') mine() {
    return 'mine';
  }
  @MessagePattern('work') @UseGuards(TenantGuard) @RateLimit('failures') work({ tenant }: { tenant: string }) {
    if (tenant === 'bad') throw new RpcException('bad');
    return tenant === 'many' ? of(1, 2, 3) : 1;
  }
  @MessagePattern('hold') @RateLimit('places') @UseFilters(OwnFilter) hold() {
    return NEVER;
  }
  @EventPattern('moved') @RateLimit('two') moved(data: unknown) {
    seen.push(data);
  }
}

const clients: ClientProxy[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) void client.close();
  await closeApps();
  seen.length = 0;
});

async function freePort(): Promise<number> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(
  inheritAppConfig: boolean,
  options: GuardedAppOptions = {},
): Promise<GuardedApp & { client: ClientProxy }> {
  const port = await freePort();
  const started = await startApp('express', {
    policies,
    controllers: [Prices],
    prepare: async (app) => {
      app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port } }, { inheritAppConfig });
      await app.startAllMicroservices();
    },
    ...options,
  });
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  clients.push(client);
  await client.connect();
  return { ...started, client };
}

const answer = (client: ClientProxy, pattern: string, data: object = {}): Promise<unknown> =>
  firstValueFrom(client.send<unknown>(pattern, data)).catch((error: unknown) => ({ error }));

describe.each([true, false])(
  'RateLimitGuard for messages of a microservice that inherits the config of the app: %p',
  (inherits) => {
    it('limits messages, and answers what was denied', async () => {
      const { client, gate } = await start(inherits);

      expect([await answer(client, 'price', { tenant: 'a' }), await answer(client, 'price', { tenant: 'a' })]).toEqual([
        1, 0,
      ]);
      expect(await answer(client, 'price', { tenant: 'a' })).toEqual({
        error: expect.objectContaining({
          code: 'RATE_LIMIT_EXCEEDED',
          message: 'The limit "two" is reached. Try again in 13 seconds.',
          retryAfterMs: 12_500,
          'violated-policies': ['two'],
        }),
      });
      expect(await answer(client, 'price', { tenant: 'b' })).toBe(1);
      // Messages have no address, so the policy of addresses does not apply.
      expect(gate.asked[0]).toEqual(['two@tenant:a']);
    });

    it('waits for the user of a message, and refuses when there is none', async () => {
      const { client, gate } = await start(inherits);

      expect(await answer(client, 'mine', { tenant: 'a' })).toBe('mine');
      expect(await answer(client, 'mine', { tenant: 'a' })).toEqual({
        error: expect.objectContaining({ code: 'RATE_LIMIT_EXCEEDED' }),
      });
      expect(await answer(client, 'mine')).toEqual({
        error: expect.objectContaining({ code: 'RATE_LIMIT_CALL', status: 401 }),
      });
      expect(gate.asked).toEqual([['user@user:a'], ['user@user:a']]);
    });

    it('tells how a message went, and leaves none open that a later guard denies', async () => {
      const { client, gate } = await start(inherits);

      await answer(client, 'work', { tenant: 'good' });
      await answer(client, 'work', { tenant: 'wrong' });
      await answer(client, 'work', { tenant: 'bad' });
      expect(await firstValueFrom(client.send('work', { tenant: 'many' }).pipe(toArray()))).toEqual([1, 2, 3]);

      const work = 'failures@endpoint:RootTestModule/Prices.work';
      await until(() => expect(gate.finished).toEqual([`${work}: success`, `${work}: failure`, `${work}: success`]));
      expect(gate.asked).toHaveLength(3);
    });

    it('can be caught by a filter of the application', async () => {
      const { client, gate } = await start(inherits);
      client.send('hold', {}).subscribe({ error: () => undefined });
      await until(() => expect(gate.asked).toHaveLength(1));

      expect(await answer(client, 'hold')).toEqual({ error: { own: ['places'], isRpc: true } });
    });

    it('drops events that are too many', async () => {
      const { client, gate } = await start(inherits);

      for (let event = 0; event < 4; event++)
        await firstValueFrom(client.emit('moved', { tenant: 'e', event }), { defaultValue: 0 });

      await until(() => expect(gate.asked).toHaveLength(4));
      await until(() =>
        expect(seen).toEqual([
          { tenant: 'e', event: 0 },
          { tenant: 'e', event: 1 },
        ]),
      );
    });
  },
);

describe('Defaults of messages of a microservice', () => {
  it('apply where it inherits the config of the app', async () => {
    const { client, gate } = await start(true, { defaults: ['failures'] });

    await answer(client, 'price', { tenant: 'a' });

    await until(() =>
      expect(gate.finished).toEqual(['failures@endpoint:RootTestModule/Prices.price two@tenant:a: success']),
    );
  });
});
