import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type INestApplicationContext, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CacheModule, CacheWarmer, Warm, type WarmContext, type WarmingOptions } from '@nuthatch/cache';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import { ServerConnection } from '@nuthatch/redis/internal';
import type { LeaseTiming } from '../../libs/cache/src/warming/redis-warm-turn.js';
import { RedisWarmTurns } from '../../libs/cache/src/warming/redis-warm-turns.js';
import type { WarmTurn } from '../../libs/cache/src/warming/warm-turns.js';
import { WARM_TURNS } from '../../libs/cache/src/warming/warming.providers.js';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { closeConnections, openConnection, outcomeOf, sharedServers, untilUp } from '../redis/open-connection.js';

const apps: INestApplicationContext[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await closeConnections();
});

interface Instance {
  readonly warmer: CacheWarmer;
  readonly connection: ServerConnection;
  readonly logs: readonly string[];
  close(): Promise<void>;
}

interface InstanceOptions {
  readonly namespace: string;
  readonly connection?: RedisConnectionOptions;
  readonly warming?: WarmingOptions;
  readonly providers?: Type[];
  /** @default that of a real application: a lease of ten seconds */
  readonly lease?: LeaseTiming;
}

/** Starts one of several instances of an application. */
async function startInstance(options: InstanceOptions): Promise<Instance> {
  const { namespace, connection = sharedServers().standalone, providers = [], lease } = options;
  const logs: string[] = [];
  const note = (message: unknown): void => void logs.push(String(message));
  const builder = Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      CacheModule.forRoot({ namespace, redisTimeout: '2s', warming: options.warming ?? { onBoot: false } }),
    ],
    providers,
  }).setLogger({ log: note, warn: note, error: note, debug: note });
  if (lease) {
    builder.overrideProvider(WARM_TURNS).useFactory({
      inject: [RedisConnections],
      factory: (all: RedisConnections) =>
        new RedisWarmTurns(all.get() as ServerConnection, [all.namespace, 'cache-warm', namespace], lease),
    });
  }
  const app = await builder.compile();
  apps.push(app);
  await app.init();
  return {
    warmer: app.get(CacheWarmer),
    connection: app.get(RedisConnections).get() as ServerConnection,
    logs,
    close: async () => {
      apps.splice(apps.indexOf(app), 1);
      await app.close();
    },
  };
}

/** A task that the spec lets go when it wants. */
function heldTask() {
  let begin!: (signal: AbortSignal) => void;
  let finish!: (entries: number) => void;
  const begun = new Promise<AbortSignal>((resolve) => (begin = resolve));
  const result = new Promise<number>((resolve) => (finish = resolve));
  const task = ({ signal }: WarmContext): Promise<number> => {
    begin(signal);
    return result;
  };
  return { task, begun, finish };
}

describe.each(['standalone', 'sentinel', 'cluster'] as const)('turns to warm on %s', (mode) => {
  const LASTING = { leaseMs: 30_000, renewEveryMs: 10_000 };
  const HURRIED = { leaseMs: 300, renewEveryMs: 90 };
  /** As of a process that was killed: nobody renews its lease. */
  const DEAD = { leaseMs: 300, renewEveryMs: 3_600_000 };

  let connection: ServerConnection;
  let root: string;
  const open: WarmTurn[] = [];

  beforeEach(async () => {
    ({ connection } = await openConnection(sharedServers()[mode]));
    await untilUp(connection);
    root = randomUUID();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((turn) => turn.end(0)));
  });

  async function taken(timing: LeaseTiming): Promise<WarmTurn> {
    const reply = await new RedisWarmTurns(connection, ['app', root], timing).take('events', 'asked');
    if (reply.state !== 'granted') throw new Error(`The turn is ${reply.state}.`);
    open.push(reply.turn);
    return reply.turn;
  }
  const ask = async (mode: 'due' | 'asked') => {
    const reply = await new RedisWarmTurns(connection, ['app', root], LASTING).take('events', mode);
    if (reply.state === 'granted') open.push(reply.turn);
    return reply;
  };

  it('are granted to one instance at a time, whoever asks', async () => {
    const turn = await taken(LASTING);

    expect(await ask('due')).toEqual({ state: 'running' });
    expect(await ask('asked')).toEqual({ state: 'running' });
    await turn.end(0);

    expect(await ask('due')).toMatchObject({ state: 'granted' });
  });

  it('are granted to exactly one of many who ask at once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => ask('asked')));

    expect(replies.filter(({ state }) => state === 'granted')).toHaveLength(1);
  });

  it('are not needed again until the period has passed, but for who asks', async () => {
    await (await taken(LASTING)).end(60_000);

    const reply = await ask('due');
    expect(reply.state).toBe('fresh');
    expect((reply as { forMs: number }).forMs).toBeGreaterThan(59_000);
    expect((reply as { forMs: number }).forMs).toBeLessThanOrEqual(60_000);
    expect(await ask('asked')).toMatchObject({ state: 'granted' });
  });

  it('are due again when the period has passed', async () => {
    await (await taken(LASTING)).end(100);

    await eventually('it is due', async () => (await ask('due')).state === 'granted');
  });

  it('are kept for as long as the lease is renewed', async () => {
    const lost: string[] = [];
    const turn = await taken(HURRIED);
    turn.onLost(() => lost.push('lost'));

    await sleep(3 * HURRIED.leaseMs);

    expect(await ask('asked')).toEqual({ state: 'running' });
    expect(lost).toEqual([]);
  });

  it('of a killed instance are free when its lease has expired, and what it does later changes nothing', async () => {
    const lost: string[] = [];
    const dead = await taken(DEAD);
    dead.onLost(() => lost.push('lost'));
    expect(await ask('asked')).toEqual({ state: 'running' });

    await eventually('another has it', async () => (await ask('asked')).state === 'granted');
    expect(lost).toEqual(['lost']);
    await dead.end(60_000);

    expect(await ask('asked')).toEqual({ state: 'running' });
  });

  it.each([
    ['gone', undefined],
    ["another instance's", 'run:other'],
  ])('are lost to who holds them when the lease is %s', async (_, text) => {
    const key = `app:${root}:events`;
    const turn = await taken({ leaseMs: 30_000, renewEveryMs: 50 });
    const lost = new Promise<void>((resolve) => turn.onLost(resolve));

    if (text === undefined) await connection.client.del(key);
    else await connection.client.set(key, text, 'PX', 5_000);

    await lost;
    expect(await connection.client.pttl(key)).toBeLessThanOrEqual(5_000);
    expect(await ask('due')).toMatchObject({ state: text === undefined ? 'granted' : 'running' });
  });

  it('are not kept from everybody by what would stand for ever', async () => {
    for (const text of ['run:somebody', 'done', 'something else']) {
      await connection.client.set(`app:${root}:events`, text);
      const reply = await ask('due');
      expect(reply.state).toBe('granted');
      await open.pop()!.end(0);
    }
  });
});

describe('two instances of an application', () => {
  it('one warms, the other skips; later either may', async () => {
    const namespace = randomUUID();
    const [one, other] = [await startInstance({ namespace }), await startInstance({ namespace })];
    const { task, begun, finish } = heldTask();
    let others = 0;
    one.warmer.registerWarmer('events', task);
    other.warmer.registerWarmer('events', () => ++others);
    other.warmer.registerWarmer('venues', () => 5);
    const warming = one.warmer.warm();
    await begun;

    expect(await other.warmer.warm()).toMatchObject({
      done: ['venues'],
      skipped: [{ name: 'events', reason: 'running' }],
    });
    expect(await one.connection.client.get(`app:cache-warm:${namespace}:events`)).toMatch(/^run:/);
    finish(7);
    expect(await warming).toMatchObject({ done: ['events'], warmers: [{ entries: 7 }] });

    expect(others).toBe(0);
    expect(await other.warmer.warm('events')).toMatchObject({ done: ['events'] });
  });

  it('warm on their own when their caches have other namespaces', async () => {
    const [one, other] = [
      await startInstance({ namespace: randomUUID() }),
      await startInstance({ namespace: randomUUID() }),
    ];
    const { task, begun, finish } = heldTask();
    one.warmer.registerWarmer('events', task);
    other.warmer.registerWarmer('events', () => 1);
    const warming = one.warmer.warm();
    await begun;

    expect((await other.warmer.warm()).done).toEqual(['events']);

    finish(1);
    await warming;
  });

  it('warm once at boot, and later starts find it fresh', async () => {
    const namespace = randomUUID();
    let runs = 0;
    @Injectable()
    class Events {
      @Warm({ name: 'a name: with {special} *signs*', every: '1h' })
      warm(): void {
        runs++;
      }
    }
    const start = () => startInstance({ namespace, providers: [Events], warming: { onBoot: 'wait' } });

    const first = await start();
    const second = await start();

    expect(runs).toBe(1);
    expect(first.logs.join()).toMatch(/Warmed 1 of 1 in/);
    expect(second.logs.join()).toMatch(/Warmed 0 of 1 in .* was warmed a short while ago/);
    expect(await second.warmer.warm()).toMatchObject({ done: ['a name: with {special} *signs*'] });
    expect(runs).toBe(2);
  });

  it('together warm once per period', async () => {
    const namespace = randomUUID();
    const at: number[] = [];
    @Injectable()
    class Flags {
      @Warm({ name: 'flags', every: '200ms' })
      warm(): void {
        at.push(performance.now());
      }
    }
    const start = () => startInstance({ namespace, providers: [Flags], warming: {} });

    await Promise.all([start(), start(), start()]);
    await eventually('six runs', () => at.length >= 6);

    const gaps = at.slice(1).map((time, index) => time - at[index]!);
    expect(Math.min(...gaps)).toBeGreaterThan(190);
  });

  it('another takes over when the one at it is cut off, and never before that one was told to stop', async () => {
    const namespace = randomUUID();
    const server = await startStandalone();
    const proxy = await startProxy(server);
    const lease = { leaseMs: 700, renewEveryMs: 200 };
    const url = `redis://${proxy.host}:${proxy.port}`;
    const one = await startInstance({ namespace, lease, connection: { mode: 'standalone', url } });
    const other = await startInstance({ namespace, lease, connection: { mode: 'standalone', url: server.url } });
    const { task, begun } = heldTask();
    one.warmer.registerWarmer('events', task);
    let abortedAtStart: boolean | undefined;
    const warming = one.warmer.warm();
    const signal = await begun;
    other.warmer.registerWarmer('events', () => void (abortedAtStart = signal.aborted));

    proxy.cut();
    await eventually('the other has warmed', async () => (await other.warmer.warm()).done.length === 1);

    expect(abortedAtStart).toBe(true);
    expect(await warming).toMatchObject({
      failed: [{ name: 'events', error: { code: 'CACHE_WARMING_ABORTED', reason: 'lost-turn' } }],
    });
    await proxy.stop();
    await Promise.all([one.close(), other.close()]);
    await server.stop();
  });

  it('one that shuts down lets the other go on at once', async () => {
    const namespace = randomUUID();
    const [one, other] = [await startInstance({ namespace }), await startInstance({ namespace })];
    const { task, begun, finish } = heldTask();
    one.warmer.registerWarmer('events', task);
    other.warmer.registerWarmer('events', () => 1);
    const warming = one.warmer.warm();
    const signal = await begun;
    signal.addEventListener('abort', () => finish(0));

    await one.close();

    expect(await warming).toMatchObject({ failed: [{ name: 'events', error: { reason: 'shutdown' } }] });
    expect(await other.warmer.warm()).toMatchObject({ done: ['events'] });
  });

  it('one whose task ignores the shutdown lets the other go on two seconds later', async () => {
    const namespace = randomUUID();
    const [one, other] = [await startInstance({ namespace }), await startInstance({ namespace })];
    const { task, begun } = heldTask();
    one.warmer.registerWarmer('events', task);
    other.warmer.registerWarmer('events', () => 1);
    void one.warmer.warm();
    await begun;

    const { tookMs } = await outcomeOf(one.close());

    expect(tookMs).toBeLessThan(2_600);
    expect(await other.warmer.warm()).toMatchObject({ done: ['events'] });
  });
});

describe('an application whose Redis is away', () => {
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await proxy.stop();
    await server.stop();
  });

  const behindProxy = (): RedisConnectionOptions => ({
    mode: 'standalone',
    url: `redis://${proxy.host}:${proxy.port}`,
    commandTimeout: '300ms',
  });

  it('warms nothing, says so, and warms again when it is back', async () => {
    const { warmer, connection } = await startInstance({ namespace: 'default', connection: behindProxy() });
    let runs = 0;
    warmer.registerWarmer('events', () => void runs++);
    await untilUp(connection);
    proxy.cut();

    expect(await warmer.warm()).toMatchObject({ done: [], skipped: [{ name: 'events', reason: 'redis-away' }] });
    expect(runs).toBe(0);

    const up = new Promise<void>((resolve) => connection.on('up', resolve));
    proxy.heal();
    await up;
    expect(await warmer.warm()).toMatchObject({ done: ['events'] });
  });

  it.each(['background', 'wait'] as const)('starts all the same: onBoot %p', async (onBoot) => {
    let runs = 0;
    @Injectable()
    class Events {
      @Warm({ name: 'events' })
      warm(): void {
        runs++;
      }
    }
    proxy.cut();

    const { value, tookMs } = await outcomeOf(
      startInstance({ namespace: 'default', connection: behindProxy(), providers: [Events], warming: { onBoot } }),
    );

    expect(tookMs).toBeLessThan(1_500);
    const { logs } = value as Instance;
    await eventually('it says why', () => logs.some((line) => line.includes('skipped because Redis is away')));
    expect(runs).toBe(0);
  });

  it('does not stop a warmer for an outage that is shorter than its lease', async () => {
    const lease = { leaseMs: 20_000, renewEveryMs: 50 };
    const instance = await startInstance({ namespace: 'default', connection: behindProxy(), lease });
    const { task, begun, finish } = heldTask();
    instance.warmer.registerWarmer('events', task, { every: '1h' });
    const warming = instance.warmer.warm();
    const signal = await begun;

    const down = new Promise<void>((resolve) => instance.connection.on('down', resolve));
    proxy.cut();
    await down;
    // Several renewals fail meanwhile.
    await sleep(5 * lease.renewEveryMs);
    const up = new Promise<void>((resolve) => instance.connection.on('up', resolve));
    proxy.heal();
    await up;
    finish(1);

    expect(signal.aborted).toBe(false);
    expect(await warming).toMatchObject({ done: ['events'] });
    expect(await server.call('GET', 'app:cache-warm:default:events')).toBe('done');
  });

  it('reports a Redis that refuses to give turns as a failure', async () => {
    const { warmer } = await startInstance({ namespace: 'default', connection: behindProxy() });
    warmer.registerWarmer('events', () => 1);
    await server.call('LPUSH', 'app:cache-warm:default:events', 'x');

    expect(await warmer.warm()).toMatchObject({
      failed: [{ name: 'events', error: { message: expect.stringContaining('WRONGTYPE') } }],
    });
  });
});
