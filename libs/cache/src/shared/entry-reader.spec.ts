import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { closeCaches, openCache, turn, type OpenCache } from '../fixtures/open-cache.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import type { StoredValue } from '../drivers/cache-driver.js';
import { UnreadableValueError } from '../value/unreadable-value.error.js';

const NAME = 'app:cache:default:a';

let store: MemoryCacheDriver;
let driver: StagedDriver;
let opened: OpenCache;

beforeEach(async () => {
  store = new MemoryCacheDriver();
  driver = new StagedDriver(store);
  opened = openCache(driver);
  await turn();
  driver.calls.length = 0;
});
afterEach(async () => {
  jest.useRealTimers();
  await closeCaches();
});

async function put(body: string, header: Partial<StoredValue['header']> = {}): Promise<void> {
  const rest = { writtenAt: store.now(), ttlMs: 10_000, graceMs: 10_000, loadMs: 0, revision: '', format: '' };
  await store.set(NAME, { body, header: { version: '1-a', ...rest, tags: [], stamp: undefined, ...header } });
}

const read = (scope = opened.core.scope('default')): Promise<unknown> => opened.core.reader.read(scope, NAME);

describe('An entry that is read', () => {
  it('is fresh for its time, then stale for its grace, then gone', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    await put('1');
    const states: unknown[] = [];
    for (const ms of [9_999, 1, 9_999, 1]) {
      jest.advanceTimersByTime(ms);
      states.push(((await read()) as { state: string }).state);
      await turn();
    }

    expect(states).toEqual(['fresh', 'stale', 'stale', 'absent']);
  });

  it('is brought to the tier in process with what is left of its time', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    await put('1', { writtenAt: store.now() - 4_000 });
    await read();

    jest.advanceTimersByTime(5_999);
    expect(opened.cache.peek('a')).toBe(1);
    jest.advanceTimersByTime(1);
    expect(opened.cache.peek('a')).toBeUndefined();
  });

  it('of a time that has not come yet, by a clock that was wrong, is no older than new', async () => {
    await put('1', { writtenAt: store.now() + 3_600_000 });

    expect(await read()).toMatchObject({ state: 'fresh' });
  });

  it.each([
    ['that is stale', { ttlMs: 0 }],
    [
      'that is of another program, which alone knows how long it lives',
      { version: '', ttlMs: Number.POSITIVE_INFINITY },
    ],
  ])('is not held in process when it is one %s', async (_, header) => {
    await put('1', header);
    await read();

    expect(opened.core.local!.entries).toBe(0);
  });

  it('is of no use when it is of another revision, and says which version is in the way', async () => {
    await put('1', { revision: '1' });

    expect(await read()).toEqual({ state: 'absent', over: '1-a' });
    expect(await read(opened.core.scope('default', '2'))).toEqual({ state: 'absent', over: '1-a' });
    expect(await read(opened.core.scope('default', '1'))).toMatchObject({ state: 'fresh', hit: { value: 1 } });
    expect(opened.cache.stats().unreadable).toBe(2);
  });

  it('is what its cache takes it for, or of no use when that refuses it', async () => {
    await put('1');
    const doubled = opened.core.scope('default', '', (value) => (value as number) * 2);
    const refused = opened.core.scope('default', '', () => {
      throw new UnreadableValueError(NAME, 'It does not fit.');
    });

    expect(await read(doubled)).toMatchObject({ hit: { value: 2 } });
    expect(await read(refused)).toEqual({ state: 'absent', over: '1-a' });
  });

  it('lets an error through that is none of the entry', async () => {
    await put('1');
    const broken = opened.core.scope('default', '', () => {
      throw new TypeError('a bug');
    });

    await expect(read(broken)).rejects.toThrow(new TypeError('a bug'));
  });

  it('is a lease where somebody is loading it', async () => {
    await store.lease(NAME, 'token', 1_000);

    expect(await read()).toEqual({ state: 'lease', token: 'token' });
  });

  it('is frozen', async () => {
    await put('{"a":[1]}');
    const { hit } = (await read()) as { hit: { value: { a: number[] } } };

    expect(Object.isFrozen(hit.value) && Object.isFrozen(hit.value.a)).toBe(true);
  });
});

describe('A read', () => {
  it('that was begun for many is taken by each who asks before it is on its way, and by nobody later', async () => {
    await put('1');
    const scope = opened.core.scope('default');
    opened.core.reader.readMany(scope, [NAME, `${NAME}b`]);
    opened.core.reader.readMany(scope, [NAME]);
    await Promise.all([read(), read()]);
    expect(driver.count('read')).toBe(1);
    await turn();
    await read();

    expect(driver.count('read')).toBe(2);
  });

  it('is not shared by who comes after its key was written or removed here', async () => {
    await put('1');
    opened.core.reader.readMany(opened.core.scope('default'), [NAME]);
    opened.core.reader.forget(NAME);
    await read();
    opened.core.reader.readMany(opened.core.scope('default'), [NAME]);
    opened.core.reader.forgetAll();
    await read();

    expect(driver.count('read')).toBe(4);
  });

  it('asks for the state of the tags as soon as it has met an entry with tags, and not before', async () => {
    const reads = jest.spyOn(driver, 'read');
    await put('1');
    await read();
    await turn();
    await put('1', { tags: ['t'], stamp: await store.tagState() });
    expect(await read()).toMatchObject({ state: 'fresh' });
    await turn();
    await read();

    expect(reads.mock.calls.map(([, withTags]) => withTags)).toEqual([false, false, true]);
  });

  it('finds an entry invalid whose tag was invalidated, with the version that is in the way', async () => {
    await put('1', { tags: ['t'], stamp: await store.tagState() });
    await store.invalidateTags(['t']);

    expect(await read()).toEqual({ state: 'absent', over: '1-a' });
  });
});
