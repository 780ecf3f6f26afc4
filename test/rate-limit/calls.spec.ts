import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { concurrency, fixedWindow, gcra, RateLimiter, RateLimitModule } from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { CallPart, OpenCall } from '../../libs/rate-limit/src/call.js';
import { RateLimitCore } from '../../libs/rate-limit/src/rate-limit-core.js';
import { eventually } from '../harness/index.js';
import { sharedServers, untilUp } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const policies = {
  address: gcra({ limit: 10, per: '1h' }),
  account: fixedWindow({ limit: 4, per: '1h' }),
  failures: gcra({ limit: 3, per: '1h', when: 'failures' }),
  successes: gcra({ limit: 3, per: '1h', when: 'successes' }),
  uploads: concurrency({ max: 2 }),
  tokens: gcra({ limit: 1_000, per: '1h' }),
};

interface Opened {
  readonly core: RateLimitCore;
  readonly limiter: RateLimiter;
}

async function openProcess(mode: 'embedded' | 'standalone' | 'sentinel' | 'cluster'): Promise<Opened> {
  const connection = mode === 'embedded' ? { mode } : sharedServers()[mode];
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      RateLimitModule.forRoot({ policies, redisTimeout: '2s' }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  const server = module.get(RedisConnections).get() as ServerConnection;
  if (mode !== 'embedded') await untilUp(server);
  return { core: module.get(RateLimitCore), limiter: module.get(RateLimiter) };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

describe.each(['embedded', 'standalone', 'sentinel', 'cluster'] as const)(
  'a call of several subjects on %s',
  (mode) => {
    const part = ({ core }: Opened, policy: string, subject: string): CallPart => ({
      policy: core.options.policies.named(policy),
      subject,
    });

    it('is charged to all of them or to none, also where they are on different servers', async () => {
      const opened = await openProcess(mode);
      const { limiter, core } = opened;
      const accounts = Array.from({ length: 6 }, () => `account:${randomUUID()}`);
      const address = `ip:${randomUUID()}`;
      for (const account of accounts) {
        const parts = [part(opened, 'address', address), part(opened, 'account', account)];
        await Promise.all([1, 2, 3, 4, 5, 6].map(() => core.admit(parts)));
      }

      const left = await Promise.all(
        accounts.map(async (account) => (await limiter.peek('account', account)).remaining),
      );
      const given = left.reduce((sum, remaining) => sum + (4 - remaining), 0);
      // Those that were denied by one of the two have taken nothing of the other.
      expect(given).toBe(10);
      expect((await limiter.peek('address', address)).remaining).toBe(0);
      const denied = await core.admit([part(opened, 'address', address), part(opened, 'account', accounts.at(-1)!)]);
      expect(denied.decision).toMatchObject({ allowed: false, shared: true });
      expect(denied.decision.violated).toContain('address');
    });

    it('gives back what a policy does not count', async () => {
      const opened = await openProcess(mode);
      const { limiter, core } = opened;
      const subject = randomUUID();
      const remaining = async (): Promise<number[]> =>
        Promise.all(
          ['failures', 'successes', 'address'].map(async (policy) => (await limiter.peek(policy, subject)).remaining),
        );
      const parts = ['failures', 'successes', 'address'].map((policy) => part(opened, policy, subject));
      const admit = async (): Promise<OpenCall> => core.admit(parts);

      const first = await admit();
      expect(await remaining()).toEqual([2, 2, 9]);
      first.finish('success');
      first.finish('failure');
      await eventually('only the failure is given back', async () => String(await remaining()) === '3,2,9');
      (await admit()).finish('failure');
      await eventually('only the success is given back', async () => String(await remaining()) === '2,2,8');
    });

    it('holds its place until it is finished', async () => {
      const opened = await openProcess(mode);
      const { core, limiter } = opened;
      const subject = randomUUID();
      const parts = [part(opened, 'uploads', subject), part(opened, 'address', subject)];

      const [one, two, three] = await Promise.all([1, 2, 3].map(() => core.admit(parts)));
      expect([one, two, three].map((call) => call!.decision.allowed)).toEqual([true, true, false]);
      expect(three!.decision.violated).toEqual(['uploads']);
      three!.finish('failure');
      expect((await core.admit(parts)).decision.allowed).toBe(false);
      two!.finish('failure');
      await eventually('there is a place', async () => (await core.admit(parts)).decision.allowed);
      expect((await limiter.peek('address', subject)).remaining).toBe(7);
    });

    it('settles a reservation by what it has cost in truth, once', async () => {
      const { limiter } = await openProcess(mode);
      const subject = randomUUID();
      const remaining = async (): Promise<number> => (await limiter.peek('tokens', subject)).remaining;

      const cheap = await limiter.reserve('tokens', subject, { cost: 400 });
      expect(await remaining()).toBe(600);
      await cheap.commit(100);
      await cheap.commit(400);
      await cheap.cancel();
      expect(await remaining()).toBe(900);
      const dear = await limiter.reserve('tokens', subject, { cost: 100 });
      await dear.commit(700);
      expect(await remaining()).toBe(200);
      const given = await limiter.reserve('tokens', subject, { cost: 150 });
      await given.cancel();
      expect(await remaining()).toBe(200);
      const denied = await limiter.reserve('tokens', subject, { cost: 300 });
      expect(denied.decision.allowed).toBe(false);
      await denied.cancel();
      expect(await remaining()).toBe(200);
    });
  },
);
