import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CacheEntryOptions } from './cache.options.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn, type HeldLoad, type OpenCache } from './fixtures/open-cache.js';
import { StagedDriver } from './fixtures/staged-driver.js';

// Invariant 1: a delete, an expire or a tag invalidation that happened after a load began always wins. Each case begins
// something that has seen the value of before, has it invalidated, and then looks at it from every side.

const KEY = 'user:1';
const NAME = `app:cache:default:${KEY}`;
const TAGGED = { tags: ['t'], grace: '1h' } as const;

interface Process extends OpenCache {
  readonly driver: StagedDriver;
}

let store: MemoryCacheDriver;
let here: Process;
let there: Process;
let load: HeldLoad<string>;

function start(): Process {
  const driver = new StagedDriver(store);
  return { ...openCache(driver, TAGGED), driver };
}

beforeEach(async () => {
  store = new MemoryCacheDriver();
  here = start();
  there = start();
  load = heldLoad();
  await turn();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeCaches();
});

/** Something that has seen the value of before, and has not come to its end. */
interface UnderWay {
  /** Lets it come to its end. */
  end(): Promise<void>;
}

type Begin = () => Promise<UnderWay>;

function ending(result: Promise<unknown>, ...last: (() => void)[]): UnderWay {
  result.catch(() => 'told below');
  return {
    end: async () => {
      last.forEach((step) => step());
      await result;
      await turn();
    },
  };
}

const begin = {
  'a load': async () => {
    const result = here.cache.getOrSet(KEY, load.load);
    await load.begun;
    return ending(result, () => load.finish('stale'));
  },
  'a load that nobody shares': async () => {
    const result = here.cache.getOrSet(KEY, load.load, { coalesce: false });
    await load.begun;
    return ending(result, () => load.finish('stale'));
  },
  'a load whose result is on its way to the store': async () => {
    const fill = here.driver.holdBefore('fill');
    const result = here.cache.getOrSet(KEY, () => 'stale');
    await fill.reached;
    return ending(result, fill.release);
  },
  'a load of many keys': async () => {
    const loadMany = async (missing: string[]): Promise<Map<string, string>> => {
      const value = await load.load();
      return new Map(missing.map((key) => [key, value]));
    };
    const result = here.cache.getOrSetMany([KEY, 'other'], loadMany);
    await load.begun;
    return ending(result, () => load.finish('stale'));
  },
  'a load beside that of another process': async () => {
    const elsewhere = heldLoad<string>();
    const other = there.cache.getOrSet(KEY, elsewhere.load);
    await elsewhere.begun;
    const result = here.cache.getOrSet(KEY, load.load, { coalesce: 'process' });
    await load.begun;
    return ending(
      Promise.all([result, other]),
      () => load.finish('stale'),
      () => elsewhere.finish('stale'),
    );
  },
  'a refresh that was asked for': async () => {
    await here.cache.set(KEY, 'old');
    const result = here.cache.refresh(KEY, load.load);
    await load.begun;
    return ending(result, () => load.finish('stale'));
  },
  'a refresh in the background, ahead of the end': async () => {
    await here.cache.set(KEY, 'old');
    await turn();
    await here.cache.getOrSet(KEY, load.load, { refreshAhead: 0 });
    await load.begun;
    return ending(Promise.resolve(), () => load.finish('stale'));
  },
  'a refresh in the background, after the end': async () => {
    await here.cache.set(KEY, 'old');
    await here.cache.expire(KEY);
    expect(await here.cache.getOrSet(KEY, load.load, { softTimeout: '0ms' })).toBe('old');
    return ending(Promise.resolve(), () => load.finish('stale'));
  },
  'a refresh whose result is on its way to the store': async () => {
    await here.cache.set(KEY, 'old');
    await here.cache.expire(KEY);
    const refill = here.driver.holdBefore('refill');
    const result = here.cache.getOrSet(KEY, () => 'stale');
    await refill.reached;
    return ending(result, refill.release);
  },
  'a read': async () => {
    await there.cache.set(KEY, 'stale');
    await turn();
    const read = here.driver.holdReply('read');
    const result = here.cache.get(KEY);
    await read.reached;
    return ending(result, read.release);
  },
  'a read of many keys': async () => {
    await there.cache.set(KEY, 'stale');
    await turn();
    const read = here.driver.holdReply('read');
    const result = here.cache.getMany([KEY, 'other']);
    await read.reached;
    return ending(result, read.release);
  },
  'a set whose reply is on its way': async () => {
    const set = here.driver.holdReply('set');
    const result = here.cache.set(KEY, 'stale');
    await set.reached;
    return ending(result, set.release);
  },
  'a load whose reply from the store is on its way': async () => {
    const fill = here.driver.holdReply('fill');
    const result = here.cache.getOrSet(KEY, () => 'stale');
    await fill.reached;
    return ending(result, fill.release);
  },
} satisfies Record<string, Begin>;

const invalidations: Record<string, (by: OpenCache) => Promise<unknown>> = {
  delete: ({ cache }) => cache.delete(KEY),
  expire: ({ cache }) => cache.expire(KEY),
  set: ({ cache }) => cache.set(KEY, 'set'),
  setMany: ({ cache }) => cache.setMany([[KEY, 'set']]),
  invalidateTags: ({ cache }) => cache.invalidateTags('t'),
  invalidatePattern: ({ cache }) => cache.invalidatePattern('user:*'),
  clear: ({ cache }) => cache.clear(),
  writeThrough: ({ cache }) => cache.writeThrough(KEY, 'set', () => undefined),
  'DEL by another program': () => store.delete([NAME]),
  'the loss of all tag bookkeeping': () => store.forgetTags(),
};

/** What a caller who comes now is served by a process, by any of the ways to ask. */
async function served({ cache }: OpenCache): Promise<unknown[]> {
  const peeked = cache.peek(KEY);
  const got = await cache.get(KEY);
  const many = (await cache.getMany([KEY])).get(KEY);
  return [peeked, got, many];
}

/** What is served after it was stale, unless it is undefined. */
function allowed(how: string): unknown[] {
  return /^(set|setMany|writeThrough)$/.test(how) ? ['set', 'fresh'] : ['fresh'];
}

const cases = Object.keys(begin).flatMap((what) =>
  Object.keys(invalidations).flatMap((how) =>
    (['this process', 'another process'] as const).map((who) => [how, who, what as keyof typeof begin] as const),
  ),
);

describe('An invalidation wins over what began before it', () => {
  it.each(cases)('%s by %s during %s: the end of that is served to nobody who comes later', async (how, who, what) => {
    const underWay = await begin[what]();
    await invalidations[how]!(who === 'this process' ? here : there);
    await turn();

    for (const process of [here, there]) {
      for (const value of await served(process)) expect([undefined, ...allowed(how)]).toContain(value);
    }
    await underWay.end();

    for (const process of [here, there, start()]) {
      for (const value of await served(process)) expect([undefined, ...allowed(how)]).toContain(value);
    }
    for (const process of [there, here, start()]) {
      expect(allowed(how)).toContain(await process.cache.getOrSet(KEY, () => 'fresh'));
      expect(allowed(how)).toContain(await process.cache.get(KEY));
    }
  });

  it.each(cases.filter(([how]) => how !== 'expire'))(
    '%s by %s during %s: who has it loaded meanwhile gets what is loaded from then on',
    async (how, who, what) => {
      const underWay = await begin[what]();
      await invalidations[how]!(who === 'this process' ? here : there);
      await turn();

      const later = [here, there].map(({ cache }) => cache.getOrSet(KEY, () => 'fresh'));
      await turn();
      await underWay.end();

      for (const value of await Promise.all(later)) expect(allowed(how)).toContain(value);
      for (const process of [here, there, start()]) {
        for (const value of await served(process)) expect([undefined, ...allowed(how)]).toContain(value);
      }
    },
  );
});

describe('While an invalidation is on its way', () => {
  const held = { delete: 'delete', expire: 'expire', set: 'set', invalidateTags: 'invalidateTags' } as const;

  it.each(Object.keys(held) as (keyof typeof held)[])(
    'what is read until it is done reaches nobody who asks after it: %s',
    async (how) => {
      await here.cache.set(KEY, 'stale');
      await turn();
      here.core.local!.clear();
      const hold = here.driver.holdBefore(held[how]);
      const invalidating = invalidations[how]!(here);
      await hold.reached;
      const read = here.driver.holdReply('read');
      const during = here.cache.get(KEY);
      await read.reached;

      hold.release();
      await invalidating;
      const after = here.cache.get(KEY);
      read.release();

      expect(['stale', undefined]).toContain(await during);
      expect([undefined, ...allowed(how)]).toContain(await after);
      for (const value of await served(here)) expect([undefined, ...allowed(how)]).toContain(value);
    },
  );

  it.each(Object.keys(held) as (keyof typeof held)[])(
    'what is loaded until it is done reaches nobody who asks after it: %s',
    async (how) => {
      const hold = here.driver.holdBefore(held[how]);
      const invalidating = invalidations[how]!(here);
      await hold.reached;
      const during = here.cache.getOrSet(KEY, load.load);
      await load.begun;

      hold.release();
      await invalidating;
      const after = here.cache.getOrSet(KEY, () => 'fresh');
      load.finish('stale');

      expect(await during).toBe('stale');
      expect(allowed(how)).toContain(await after);
      for (const process of [here, there]) {
        for (const value of await served(process)) expect([undefined, ...allowed(how)]).toContain(value);
      }
    },
  );
});

describe('A delete that races with a set', () => {
  it('is gone from the process that has set it as soon as that is told, also when its own echo comes later', async () => {
    const release = here.driver.holdReports();
    await here.cache.set(KEY, 'stale');
    await there.cache.delete(KEY);
    expect(here.cache.peek(KEY)).toBe('stale');
    release();
    await turn();

    expect(await served(here)).toEqual([undefined, undefined, undefined]);
  });

  it('is not undone when the comparison with the store has seen what was there before it', async () => {
    const compare = here.driver.holdReply('headers');
    await here.cache.set(KEY, 'stale');
    await compare.reached;
    await there.cache.delete(KEY);
    compare.release();
    await turn();

    expect(await served(here)).toEqual([undefined, undefined, undefined]);
  });

  it('keeps what was set last when that is the set', async () => {
    await Promise.all([there.cache.delete(KEY), here.cache.set(KEY, 'set')]);
    await turn();

    expect(await there.cache.get(KEY)).toBe('set');
    expect(await here.cache.get(KEY)).toBe('set');
  });

  it('in one process leaves what was asked for last, whatever was asked for before', async () => {
    await Promise.all([here.cache.set(KEY, 'first'), here.cache.delete(KEY), here.cache.set(KEY, 'last')]);
    await turn();
    expect(await here.cache.get(KEY)).toBe('last');

    await Promise.all([here.cache.set(KEY, 'first'), here.cache.set(KEY, 'last')]);
    await turn();
    expect(await here.cache.get(KEY)).toBe('last');

    await Promise.all([here.cache.set(KEY, 'again'), here.cache.delete(KEY)]);
    await turn();
    expect(await here.cache.get(KEY)).toBeUndefined();
  });

  it.each(Object.keys(invalidations).filter((how) => !/another program|bookkeeping/.test(how)))(
    'while the value is being made ready is the last word: %s',
    async (how) => {
      const ready = here.driver.holdBefore('ready');
      const set = here.cache.set(KEY, 'stale');
      await ready.reached;
      await invalidations[how]!(here);
      ready.release();
      await set;
      await turn();

      for (const process of [here, there]) {
        for (const value of await served(process)) expect([undefined, ...allowed(how)]).toContain(value);
      }
    },
  );

  it('is not overtaken by a set that is refused', async () => {
    const ready = here.driver.holdBefore('ready');
    const set = here.cache.set(KEY, 'set');
    await ready.reached;
    await expect(here.cache.set(KEY, undefined)).rejects.toThrow('undefined cannot be cached');
    ready.release();
    await set;

    expect(await here.cache.get(KEY)).toBe('set');
  });
});

describe('Two sets that race', () => {
  it('leave the same value in every process', async () => {
    const reports = [here.driver.holdReports(), there.driver.holdReports()];
    await Promise.all([here.cache.set(KEY, 'first'), there.cache.set(KEY, 'second')]);
    reports.forEach((release) => release());
    await turn();

    const values = [...(await served(here)), ...(await served(there))].filter((value) => value !== undefined);
    expect(new Set(values).size).toBe(1);
  });
});

describe('A tag that only the loader knows', () => {
  it('is invalidated during the load: its value is stored, and valid for nobody', async () => {
    const options: CacheEntryOptions = {};
    const plain = openCache(new StagedDriver(store));
    const result = plain.cache.getOrSet(
      KEY,
      async (context) => {
        const value = await load.load();
        context.tag('late');
        return value;
      },
      options,
    );
    await load.begun;
    await there.cache.invalidateTags('late');
    const joined = plain.cache.getOrSet(KEY, () => 'fresh');
    await turn();
    load.finish('stale');

    expect(await result).toBe('stale');
    expect(await joined).toBe('fresh');
    expect(await plain.cache.get(KEY)).not.toBe('stale');
    expect(await there.cache.get(KEY)).not.toBe('stale');
  });
});
