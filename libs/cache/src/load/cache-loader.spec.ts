import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CacheModuleOptions } from '../cache.options.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn, type OpenCache } from '../fixtures/open-cache.js';
import { StagedDriver } from '../fixtures/staged-driver.js';

interface Process extends OpenCache {
  readonly driver: StagedDriver;
}

let store: MemoryCacheDriver;

function start(options: CacheModuleOptions = {}): Process {
  const driver = new StagedDriver(store);
  return { ...openCache(driver, { jitter: 0, ...options }), driver };
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  store = new MemoryCacheDriver();
});
afterEach(async () => {
  jest.restoreAllMocks();
  jest.useRealTimers();
  await closeCaches();
});

const fails = (): never => {
  throw new Error('database away');
};
const neverLoads = (): never => {
  throw new Error('The loader was called.');
};

async function elapse(ms: number): Promise<void> {
  await turn();
  await jest.advanceTimersByTimeAsync(ms);
  await turn();
}

describe('One load of a key', () => {
  it('is shared by all processes: the others are woken when it is done', async () => {
    const processes = [start(), start(), start(), start()];
    const load = heldLoad<string>();
    const calls = processes.flatMap(({ cache }) => Array.from({ length: 50 }, () => cache.getOrSet('a', load.load)));
    await load.begun;
    await turn();
    const asked = processes.reduce((sum, { driver }) => sum + driver.calls.length, 0);
    load.finish('loaded');

    expect(new Set(await Promise.all(calls))).toEqual(new Set(['loaded']));
    expect(load.calls()).toBe(1);
    expect(asked).toBeLessThan(20);
    // Nobody has waited for any time to pass.
    expect(performance.now()).toBe(0);
  });

  it('that fails is done by another process in its place', async () => {
    const [here, there] = [start(), start()];
    const load = heldLoad<string>();
    const failing = here.cache.getOrSet('a', load.load);
    const outcome = expect(failing).rejects.toThrow('database away');
    await load.begun;
    const waiting = there.cache.getOrSet('a', () => 'loaded there');
    await turn();
    load.fail(new Error('database away'));

    await outcome;
    expect(await waiting).toBe('loaded there');
  });

  it('of a process that has died is done by another when its lease has ended', async () => {
    await store.lease('app:cache:default:a', 'of the dead', 5_000);
    const { cache } = start();
    let value: unknown;
    const waiting = cache.getOrSet('a', () => 'loaded').then((loaded) => (value = loaded));
    await elapse(4_900);
    expect(value).toBeUndefined();
    await elapse(200);
    await waiting;

    expect(value).toBe('loaded');
  });

  it('that never ends keeps nobody for longer than a minute', async () => {
    const [here, there] = [start(), start()];
    void here.cache.getOrSet('a', () => new Promise(() => undefined));
    await turn();
    const waiting = there.cache.getOrSet('a', () => 'loaded there');
    let done = false;
    void waiting.then(() => (done = true));
    for (let seconds = 0; seconds < 60 && !done; seconds++) await elapse(1_000);
    expect(done).toBe(false);
    for (let seconds = 0; seconds < 12 && !done; seconds++) await elapse(1_000);

    expect(await waiting).toBe('loaded there');
  });

  it('is not waited for by a loader for longer than two seconds: the other may wait for this one', async () => {
    const [here, there] = [start(), start()];
    const held = heldLoad<string>();
    const begun = here.cache.getOrSet('a', held.load);
    await held.begun;
    const nested = there.cache.getOrSet('b', () => there.cache.getOrSet('a', () => 'inner'));
    let value: unknown;
    void nested.then((loaded) => (value = loaded));
    await elapse(1_500);
    expect(value).toBeUndefined();
    for (let count = 0; count < 6; count++) await elapse(500);
    expect(value).toBe('inner');
    held.finish('late');
    await begun;
  });

  it("is shared by the callers of one process only: coalesce: 'process'", async () => {
    const [here, there] = [start({ coalesce: 'process' }), start({ coalesce: 'process' })];
    const load = heldLoad<string>();
    const calls = [here, here, there, there].map(({ cache }) => cache.getOrSet('a', load.load));
    await turn();
    load.finish('loaded');

    await Promise.all(calls);
    expect(load.calls()).toBe(2);
  });

  it('is shared by nobody: coalesce: false', async () => {
    const { cache } = start({ coalesce: false });
    const load = heldLoad<string>();
    const calls = [1, 2, 3].map(() => cache.getOrSet('a', load.load));
    await turn();
    load.finish('loaded');

    expect(await Promise.all(calls)).toEqual(Array(3).fill('loaded'));
    expect(load.calls()).toBe(3);
    expect(await cache.getOrSet('a', neverLoads)).toBe('loaded');
  });

  it('is that of each caller, whoever asks at the same moment', async () => {
    const [here, there] = [start(), start()];
    const held = heldLoad<string>();
    const begun = here.cache.getOrSet('a', held.load);
    await held.begun;
    const shared = there.cache.getOrSet('a', () => 'not called');
    const own = there.cache.getOrSet('a', () => 'own', { coalesce: 'process' });

    expect(await own).toBe('own');
    held.finish('shared');
    expect(await Promise.all([begun, shared])).toEqual(['shared', 'shared']);
  });

  it('is woken by nothing but its own key', async () => {
    const [here, there] = [start(), start()];
    const held = heldLoad<string>();
    const begun = here.cache.getOrSet('a', held.load);
    await held.begun;
    const waiting = there.cache.getOrSet('a', neverLoads);
    await turn();
    // The first wait of a process looks once more, since nobody would have told it of what was before.
    await elapse(200);
    const reads = there.driver.count('read');
    for (let count = 0; count < 20; count++) await here.cache.set(`other ${count}`, count);
    await elapse(1_000);
    expect(there.driver.count('read')).toBe(reads);
    held.finish('loaded');
    await Promise.all([begun, waiting]);
  });
});

describe('An earlier value within its grace', () => {
  const expired = async (options: CacheModuleOptions = {}): Promise<Process> => {
    const process = start({ grace: '1h', ...options });
    await process.cache.set('a', 'old');
    await process.cache.expire('a');
    return process;
  };

  it('is served when its loader fails', async () => {
    const { cache } = await expired();

    expect(await cache.getOrSet('a', fails)).toBe('old');
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.getOrSet('a', () => 'new')).toBe('new');
    expect(await cache.get('a')).toBe('new');
  });

  it('is not served when there is time for the loader', async () => {
    const { cache } = await expired();
    const load = heldLoad<string>();
    const call = cache.getOrSet('a', load.load);
    await load.begun;
    await elapse(60_000);
    load.finish('new');

    expect(await call).toBe('new');
  });

  it.each(['0ms', '200ms'] as const)(
    'is served when its loader takes longer than %s, and what that returns is stored',
    async (softTimeout) => {
      const { cache } = await expired();
      const load = heldLoad<string>();
      let value: unknown;
      void cache.getOrSet('a', load.load, { softTimeout }).then((served) => (value = served));
      await load.begun;
      await elapse(Math.max(0, parseInt(softTimeout) - 1));
      if (softTimeout !== '0ms') expect(value).toBeUndefined();
      await elapse(1);
      expect(value).toBe('old');
      load.finish('new');
      await turn();

      expect(await cache.get('a')).toBe('new');
    },
  );

  it('is not served when its loader is fast enough', async () => {
    const { cache } = await expired();

    expect(await cache.getOrSet('a', async () => 'new', { softTimeout: '100ms' })).toBe('new');
  });

  it('is loaded anew by one, whose callers wait; those of other processes take what there is', async () => {
    const here = await expired();
    const there = start({ grace: '1h' });
    const load = heldLoad<string>();
    const calls = [here.cache.getOrSet('a', load.load), here.cache.getOrSet('a', load.load)];
    await load.begun;

    expect(await there.cache.getOrSet('a', neverLoads)).toBe('old');
    load.finish('new');
    expect(await Promise.all(calls)).toEqual(['new', 'new']);
    expect(await there.cache.get('a')).toBe('new');
  });

  it('has a source that keeps failing spared, for longer and longer, until it works again', async () => {
    const { cache } = await expired();
    const load = jest.fn(fails);
    const ask = (): Promise<unknown> => cache.getOrSet<unknown>('a', load);
    await ask();
    await ask();
    expect(load).toHaveBeenCalledTimes(2);
    for (let count = 0; count < 5; count++) expect(await ask()).toBe('old');
    expect(load).toHaveBeenCalledTimes(2);

    await elapse(250);
    await ask();
    await elapse(499);
    await ask();
    expect(load).toHaveBeenCalledTimes(3);
    await elapse(1);
    expect(await cache.getOrSet('a', () => 'new')).toBe('new');
  });

  it('is none without a grace', async () => {
    const { cache } = await expired({ grace: '0ms' });

    await expect(cache.getOrSet('a', fails)).rejects.toThrow('database away');
  });

  it('is not served after a deletion, nor after one of its tags was invalidated', async () => {
    const { cache } = start({ grace: '1h' });
    for (const invalidate of [() => cache.delete('a'), () => cache.invalidateTags('t')]) {
      await cache.set('a', 'old', { tags: ['t'] });
      await invalidate();

      await expect(cache.getOrSet('a', fails)).rejects.toThrow('database away');
    }
  });
});

describe('A value whose end is near', () => {
  const refreshing = { ttl: '100s', refreshAhead: 0.8 } as const;

  it.each([
    ['in process', {}],
    ['in Redis', { local: false }],
  ] as const)('is loaded anew in the background, by one caller, and served meanwhile: %s', async (_, options) => {
    const { cache } = start({ ...refreshing, ...options });
    await cache.set('a', 'old');
    const load = heldLoad<string>();
    await elapse(79_999);
    expect(await cache.getOrSet('a', load.load)).toBe('old');
    await turn();
    expect(load.calls()).toBe(0);

    await elapse(1);
    for (let count = 0; count < 5; count++) expect(await cache.getOrSet('a', load.load)).toBe('old');
    await load.begun;
    load.finish('new');
    await turn();
    expect(load.calls()).toBe(1);
    expect(await cache.get('a')).toBe('new');
    await elapse(99_999);
    expect(await cache.get('a')).toBe('new');
  });

  it('is loaded anew by one process', async () => {
    const [here, there] = [start(refreshing), start(refreshing)];
    await here.cache.set('a', 'old');
    await there.cache.get('a');
    await elapse(90_000);
    const load = heldLoad<string>();
    await Promise.all([here.cache.getOrSet('a', load.load), there.cache.getOrSet('a', load.load)]);
    await load.begun;
    await turn();
    load.finish('new');
    await turn();

    expect(load.calls()).toBe(1);
    expect(await there.cache.get('a')).toBe('new');
  });

  it('is loaded anew the earlier the longer that takes', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1 - Math.exp(-2));
    const { cache } = start({ ...refreshing, refreshAhead: 1 });
    const first = cache.getOrSet('a', () => new Promise((resolve) => setTimeout(resolve, 10_000, 'old')));
    await elapse(10_000);
    await first;
    const load = heldLoad<string>();
    await elapse(79_000);
    expect(await cache.getOrSet('a', load.load)).toBe('old');
    await turn();
    expect(load.calls()).toBe(0);
    // Twice the time that it takes to load is left: that is how the dice have fallen.
    await elapse(1_100);
    expect(await cache.getOrSet('a', load.load)).toBe('old');
    await load.begun;
  });

  it('is good for the rest of its time when that fails, and tried again after a second', async () => {
    const { cache } = start(refreshing);
    await cache.set('a', 'old');
    await elapse(90_000);
    const load = jest.fn(fails);
    for (let count = 0; count < 3; count++) {
      expect(await cache.getOrSet<unknown>('a', load)).toBe('old');
      await turn();
    }
    expect(load).toHaveBeenCalledTimes(1);
    await elapse(1_000);
    expect(await cache.getOrSet<unknown>('a', load)).toBe('old');
    await turn();
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('is left alone where nobody has asked for that', async () => {
    const { cache } = start({ ttl: '100s' });
    await cache.set('a', 'old');
    await elapse(99_999);

    expect(await cache.getOrSet('a', neverLoads)).toBe('old');
    await turn();
    expect(cache.stats().refreshes).toBe(0);
  });

  it('is loaded anew for the call that asks for it', async () => {
    const { cache } = start({ ttl: '100s' });
    await cache.set('a', 'old');
    await elapse(50_000);

    expect(await cache.getOrSet('a', () => 'new', { refreshAhead: 0.5 })).toBe('old');
    await turn();
    expect(await cache.get('a')).toBe('new');
  });
});

describe('A refresh that is asked for', () => {
  it('loads whatever there is, and stores it; readers get what there is meanwhile', async () => {
    const [here, there] = [start(), start()];
    await here.cache.set('a', 'old');
    const load = heldLoad<string>();
    const call = here.cache.refresh('a', load.load);
    await load.begun;
    expect([await here.cache.get('a'), await there.cache.get('a')]).toEqual(['old', 'old']);
    load.finish('new');

    expect(await call).toBe('new');
    await turn();
    expect([await here.cache.get('a'), await there.cache.get('a')]).toEqual(['new', 'new']);
  });

  it('loads what is not there, and has the callers of that moment wait for it', async () => {
    const [here, there] = [start(), start()];
    const load = heldLoad<string>();
    const call = here.cache.refresh('a', load.load);
    await load.begun;
    const calls = [here, there].map(({ cache }) => cache.getOrSet('a', neverLoads));
    await turn();
    load.finish('new');

    expect(await Promise.all([call, ...calls])).toEqual(['new', 'new', 'new']);
  });

  it('is not overtaken by a load that began before it', async () => {
    const [here, there] = [start(), start()];
    const before = heldLoad<string>();
    const loading = there.cache.getOrSet('a', before.load);
    await before.begun;
    expect(await here.cache.refresh('a', () => 'new')).toBe('new');
    before.finish('old');
    await loading;
    await turn();

    expect([await here.cache.get('a'), await there.cache.get('a')]).toEqual(['new', 'new']);
  });

  it('stores tags as the first thing that a process does', async () => {
    const { cache } = start({ coherence: 'off' });
    await cache.refresh('a', () => 'new', { tags: ['t'] });

    expect(await cache.get('a')).toBe('new');
  });

  it('replaces what another program has written', async () => {
    const { cache } = start();
    const header = { version: '', writtenAt: 0, ttlMs: Number.POSITIVE_INFINITY, graceMs: 0, loadMs: 0 };
    await store.set('app:cache:default:a', {
      body: '"theirs"',
      header: { ...header, revision: '', format: '', tags: [], stamp: undefined },
    });
    expect(await cache.get('a')).toBe('theirs');

    expect(await cache.refresh('a', () => 'ours')).toBe('ours');
    expect(await cache.get('a')).toBe('ours');
  });

  it('throws what the loader throws, and leaves what there is', async () => {
    const { cache } = start();
    await cache.set('a', 'old');

    await expect(cache.refresh('a', fails)).rejects.toThrow('database away');
    expect(await cache.get('a')).toBe('old');
    await expect(cache.refresh('b', fails)).rejects.toThrow('database away');
    expect(await cache.getOrSet('b', () => 'loaded')).toBe('loaded');
  });
});
