import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  CacheModule,
  defineCache,
  getCacheToken,
  type CacheDefinition,
  type StandardSchema,
  type TypedCache,
} from '@nuthatch/cache';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { eventually } from '../harness/index.js';
import { sharedServers, untilUp } from '../redis/open-connection.js';

const open: INestApplicationContext[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

/** A schema that wants these fields to be numbers. */
function numbers<Field extends string>(...fields: Field[]): StandardSchema<Record<Field, number>> {
  return {
    '~standard': {
      version: 1,
      vendor: 'spec',
      validate: (value) => {
        const found = value as Record<Field, number>;
        const wrong = fields.filter((field) => typeof found[field] !== 'number');
        if (wrong.length > 0) return { issues: wrong.map((field) => ({ path: [field], message: 'Expected number' })) };
        return { value: found };
      },
    },
  };
}

function gate(): { passed: Promise<void>; pass(): void } {
  let pass!: () => void;
  const passed = new Promise<void>((resolve) => (pass = resolve));
  return { passed, pass };
}

describe.each(['standalone', 'sentinel', 'cluster'] as const)('a typed cache on %s', (mode) => {
  /** Starts an application with the cache, as one of several processes would. */
  async function start<Args extends readonly unknown[], T, Input, Found>(
    definition: CacheDefinition<Args, T, Input, Found>,
    namespace: string,
  ): Promise<{ cache: TypedCache<Args, T, Input, Found>; raw(key: string): Promise<string | null> }> {
    const app = await Test.createTestingModule({
      imports: [
        RedisModule.forRoot({ connections: { default: sharedServers()[mode] } }),
        // On a busy machine a slow moment is no outage.
        CacheModule.forRoot({ namespace, redisTimeout: '2s' }),
        CacheModule.forFeature([definition]),
      ],
    }).compile();
    open.push(await app.init());
    const connection = app.get(RedisConnections).get() as ServerConnection;
    await untilUp(connection);
    return {
      cache: app.get(getCacheToken(definition)),
      raw: (key) => connection.client.get(`app:cache:${namespace}.${definition.name}:${key}`),
    };
  }

  it('loads anew what fits the schema no more, and repairs it', async () => {
    const namespace = randomUUID();
    const key = (id: number): [number] => [id];
    const before = await start(
      defineCache({ name: 'users', key, schema: numbers('id'), load: (id) => ({ id }) }),
      namespace,
    );
    const after = await start(
      defineCache({ name: 'users', key, schema: numbers('id', 'age'), load: (id) => ({ id, age: 40 }) }),
      namespace,
    );
    expect(await before.cache.get(1)).toEqual({ id: 1 });

    expect(await after.cache.getMany([[1]])).toEqual([{ id: 1, age: 40 }]);

    expect(after.cache.stats()).toMatchObject({ unreadable: 1, misses: 1, loads: 1 });
    expect(await after.raw('1')).toMatch(/^n1;[^\n]*\n\{"id":1,"age":40\}$/);
    // What has a field more is good enough for who has not been deployed yet.
    await eventually('the entry of the other', async () => 'age' in (await before.cache.get(1)));
    expect(before.cache.stats()).toMatchObject({ unreadable: 0, loads: 1 });
  });

  it('retires the entries of another version, whose processes see what the new one deletes', async () => {
    const namespace = randomUUID();
    const key = (id: number): [number] => [id];
    const old = await start(defineCache({ name: 'users', key, load: () => 'old' }), namespace);
    const young = await start(defineCache({ name: 'users', key, version: 'v2', load: () => 'new' }), namespace);
    expect(await old.cache.get(1)).toBe('old');

    expect(await young.cache.get(1)).toBe('new');
    expect(await young.raw('1')).toMatch(/^n1;[^\n]*;y=v2\n"new"$/);
    expect(young.cache.stats()).toMatchObject({ unreadable: 1, loads: 1 });

    expect(await old.cache.refresh(2)).toBe('old');
    await eventually('it is held here', () => old.cache.peek(2) === 'old');
    expect(await young.cache.delete(2)).toBe(true);
    await eventually('the deletion arrives', () => old.cache.peek(2) === undefined);
  });

  it('loads a hundred keys of two kinds that are asked for in one turn by one call', async () => {
    const loads: number[] = [];
    const definition = defineCache({
      name: 'doubles',
      key: (number: number, kind: 'text' | 'list') => (kind === 'text' ? `text:${number}` : ['list', number]),
      loadMany: async (calls) => {
        loads.push(calls.length);
        return calls.map(([number]) => 2 * number);
      },
    });
    const { cache } = await start(definition, randomUUID());
    await cache.set(50, 'text', 5);

    const gets = Array.from({ length: 100 }, (_, number) => cache.get(number, number % 2 === 0 ? 'text' : 'list'));

    expect(await Promise.all(gets)).toEqual(
      Array.from({ length: 100 }, (_, number) => (number === 50 ? 5 : 2 * number)),
    );
    expect(loads).toEqual([99]);
    expect(cache.stats()).toMatchObject({ misses: 99, loads: 99 });
  });

  it('shares its entries with another process, and nothing else', async () => {
    const namespace = randomUUID();
    let loads = 0;
    const definition = defineCache({
      name: 'users',
      key: (id: number) => [id],
      loadMany: (calls) => {
        loads++;
        return calls.map(([id]) => ({ id, since: new Date(id) }));
      },
    });
    const one = await start(definition, namespace);
    const other = await start(definition, namespace);
    await one.cache.getMany([[1], [2]]);

    expect(await other.cache.getMany([[2], [1]])).toEqual([
      { id: 2, since: new Date(2) },
      { id: 1, since: new Date(1) },
    ]);

    expect(loads).toBe(1);
    expect(one.cache.stats()).toMatchObject({ loads: 2, sharedHits: 0 });
    expect(other.cache.stats()).toMatchObject({ loads: 0, sharedHits: 2 });
  });

  it('does not wait for a load of another process with what else is asked for in the turn', async () => {
    const namespace = randomUUID();
    const [begun, finish] = [gate(), gate()];
    const held = defineCache({
      name: 'users',
      key: (id: number) => [id],
      loadMany: async (calls) => {
        begun.pass();
        await finish.passed;
        return calls.map(([id]) => `there ${id}`);
      },
    });
    const asked: string[] = [];
    const here = defineCache({
      name: 'users',
      key: (id: number) => [id],
      loadMany: (calls) => {
        asked.push(calls.join());
        return calls.map(([id]) => `here ${id}`);
      },
    });
    const there = await start(held, namespace);
    const { cache } = await start(here, namespace);
    const loading = there.cache.get(1);
    await begun.passed;

    const one = cache.get(1);
    const others = await Promise.all([cache.get(2), cache.get(3)]);
    finish.pass();

    expect(others).toEqual(['here 2', 'here 3']);
    expect([await loading, await one]).toEqual(['there 1', 'there 1']);
    expect(asked).toEqual(['2,3']);
  });
});
