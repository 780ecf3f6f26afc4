import assert from 'node:assert/strict';
import type { CacheDriver, StoredEntry, StoredValue } from './drivers/cache-driver.js';
import type { ChangeFeed } from './drivers/change-feed.js';

/** The functions of a test runner: Jest, Vitest and node:test have these as they are. */
export interface TestRunner {
  describe(title: string, body: () => void): void;
  it(title: string, body: () => Promise<void>): void;
}

export interface CacheDriverSuiteOptions extends TestRunner {
  /** What the driver runs on; heads the titles. */
  name: string;
  /** A driver on a store that holds no entry under the keys of {@link key}. */
  create(): Promise<CacheDriver> | CacheDriver;
  /** Makes a key of the store from a plain name; unique for this run. */
  key(name: string): string;
  /** Lets `ms` pass for the driver. @default waits that long */
  elapse?(ms: number): Promise<void>;
}

/** The contract of {@link CacheDriver} as tests. Every driver must pass all of them. */
export function runCacheDriverSuite(options: CacheDriverSuiteOptions): void {
  const { describe, it, create, key } = options;
  const elapse = options.elapse ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  let writes = 0;

  function entry(driver: CacheDriver, body: string, header: Partial<StoredValue['header']> = {}): StoredValue {
    const writtenAt = header.writtenAt ?? driver.now();
    const version = `${writtenAt}-${(++writes).toString(16).padStart(8, '0')}`;
    const rest = { ttlMs: 10_000, graceMs: 0, loadMs: 0, revision: '', format: '', tags: [], stamp: undefined };
    return { body, header: { ...rest, ...header, writtenAt, version } };
  }

  async function read(driver: CacheDriver, name: string): Promise<StoredEntry> {
    return (await driver.read([name], false)).entries[0]!;
  }

  async function bodyOf(driver: CacheDriver, name: string): Promise<unknown> {
    const stored = await read(driver, name);
    return stored.state === 'value' ? stored.entry.body : undefined;
  }

  async function ready(): Promise<CacheDriver> {
    const driver = await create();
    await driver.ready();
    return driver;
  }

  describe(`cache driver on ${options.name}`, () => {
    it('returns what was set with all that its header says, until its time is over', async () => {
      const driver = await ready();
      const { state: stamp } = await driver.tagChanges(undefined);
      const tags = ['a,b;c%', 'é:\u{1F426}'];
      const header = { ttlMs: 200, graceMs: 100, loadMs: 7, revision: '2', format: '', tags, stamp };
      const stored = entry(driver, 'value', header);
      await driver.set(key('ttl'), stored);
      const found = await read(driver, key('ttl'));
      assert.equal(found.state, 'value');
      const { stamp: foundStamp, ...rest } = found.entry.header;
      const { stamp: setStamp, ...setRest } = stored.header;
      assert.deepEqual(rest, setRest);
      assert.deepEqual([foundStamp?.epoch, foundStamp?.seq], [setStamp?.epoch, setStamp?.seq]);
      assert.equal((await driver.headers([key('ttl')]))[0]?.version, stored.header.version);
      await elapse(350);
      assert.equal((await read(driver, key('ttl'))).state, 'absent');
      assert.equal((await driver.headers([key('ttl')]))[0], undefined);
    });

    it('reads one key as it reads many, with the state of the tags for who asks for it, alone and beside others', async () => {
      const driver = await ready();
      const { state: tagState } = await driver.tagChanges(undefined);
      const names = ['one-value', 'one-lease', 'one-absent'].map(key);
      const [value, lease] = names as [string, string];
      await driver.set(value, entry(driver, 'value'));
      await driver.lease(lease, 'token', 10_000);
      const { entries } = await driver.read(names, false);
      const readAlone = (name: string): Promise<unknown> => driver.readOne(name, false, ({ stored }) => stored);
      for (const [index, name] of names.entries()) assert.deepEqual(await readAlone(name), entries[index]);
      assert.deepEqual(await Promise.all(names.map(readAlone)), entries);
      const state = await driver.readOne(value, true, async (read) => read.tagState);
      assert.deepEqual([state?.epoch, state?.seq], [tagState.epoch, tagState.seq]);
      const failed = new Error('failed');
      await assert.rejects(
        driver.readOne(value, false, () => Promise.reject(failed)),
        /failed/,
      );
      const throwing = driver.readOne(value, false, () => {
        throw failed;
      });
      await assert.rejects(throwing, /failed/);
    });

    it('keeps text as it is, also when it is empty or looks like a lease', async () => {
      const driver = await ready();
      for (const text of ['', '\n', 'n1;lease=x\n', '\u0000\u{1F426}é', 'x'.repeat(100_000)]) {
        await driver.set(key('text'), entry(driver, text));
        assert.equal(await bodyOf(driver, key('text')), text);
      }
    });

    it('reads many keys at once, in the order in which they were asked for', async () => {
      const driver = await ready();
      const keys = Array.from({ length: 50 }, (_, index) => key(`read-${index}`));
      await Promise.all(keys.map((name, index) => index % 2 && driver.set(name, entry(driver, `${index}`))));
      const { entries } = await driver.read(keys, true);
      entries.forEach((found, index) => {
        assert.equal(found.state === 'value' ? found.entry.body : undefined, index % 2 ? `${index}` : undefined);
      });
    });

    it('grants one lease per key, and stores what is filled under it', async () => {
      const driver = await ready();
      assert.deepEqual(await driver.lease(key('lease'), 'a', 10_000), { state: 'granted' });
      const busy = await driver.lease(key('lease'), 'b', 10_000);
      assert.equal(busy.state, 'busy');
      assert.equal(busy.token, 'a');
      assert.ok(busy.forMs > 5_000 && busy.forMs <= 10_000);
      assert.deepEqual(await read(driver, key('lease')), { state: 'lease', token: 'a' });
      assert.equal(await driver.fill(key('lease'), 'b', entry(driver, 'wrong')), false);
      assert.equal(await driver.fill(key('lease'), 'a', entry(driver, 'right')), true);
      assert.equal(await bodyOf(driver, key('lease')), 'right');
      const taken = await driver.lease(key('lease'), 'c', 10_000);
      assert.equal(taken.state === 'value' && taken.entry.body, 'right');
    });

    it('grants a lease over a value only if it is of the version that is named', async () => {
      const driver = await ready();
      const [old, other] = [entry(driver, 'old'), entry(driver, 'other')];
      await driver.set(key('over'), old);
      assert.equal((await driver.lease(key('over'), 'a', 10_000, other.header.version)).state, 'value');
      assert.equal((await driver.lease(key('over'), 'b', 10_000, old.header.version)).state, 'granted');
      assert.equal(await driver.fill(key('over'), 'b', entry(driver, 'new')), true);
    });

    for (const how of ['delete', 'expire', 'set'] as const) {
      it(`does not store a load whose key was touched by ${how} since it began`, async () => {
        const driver = await ready();
        const name = key(`raced-${how}`);
        await driver.lease(name, 'a', 10_000);
        if (how === 'set') await driver.set(name, entry(driver, 'newer'));
        else assert.equal(await driver[how]([name]), 1);
        assert.equal(await driver.fill(name, 'a', entry(driver, 'stale')), false);
        assert.equal(await bodyOf(driver, name), how === 'set' ? 'newer' : undefined);
      });

      it(`does not store a refresh whose key was touched by ${how} since it began`, async () => {
        const driver = await ready();
        const name = key(`refreshed-${how}`);
        const old = entry(driver, 'old', { graceMs: 10_000 });
        await driver.set(name, old);
        assert.equal(await driver.leaseRefresh(name, 'a', 10_000), true);
        if (how === 'set') await driver.set(name, entry(driver, 'newer'));
        else assert.equal(await driver[how]([name]), 1);
        if (how === 'expire') assert.equal(await driver.leaseRefresh(name, 'b', 10_000), true);
        assert.equal(await driver.refill(name, 'a', old.header.version, entry(driver, 'stale')), false);
        assert.notEqual(await bodyOf(driver, name), 'stale');
        if (how === 'expire') assert.equal(await driver.leaseRefresh(name, 'c', 10_000), false);
      });
    }

    it('does not store a load of before a deletion under the lease of a load after it', async () => {
      const driver = await ready();
      await driver.lease(key('two'), 'a', 10_000);
      await driver.delete([key('two')]);
      await driver.lease(key('two'), 'b', 10_000);
      assert.equal(await driver.fill(key('two'), 'a', entry(driver, 'stale')), false);
      assert.equal(await driver.fill(key('two'), 'b', entry(driver, 'fresh')), true);
      assert.equal(await bodyOf(driver, key('two')), 'fresh');
    });

    it('frees the key when the lease is given back or has expired, and keeps it while it is renewed', async () => {
      const driver = await ready();
      await driver.lease(key('free'), 'a', 10_000);
      await driver.abandon(key('free'), 'b', 'placeholder');
      assert.equal((await driver.lease(key('free'), 'c', 10_000)).state, 'busy');
      await driver.abandon(key('free'), 'a', 'placeholder');
      assert.equal((await driver.lease(key('free'), 'd', 200)).state, 'granted');
      assert.equal(await driver.renew(key('free'), 'x', 'placeholder', 60_000), false);
      assert.equal(await driver.renew(key('free'), 'd', 'placeholder', 600), true);
      await elapse(300);
      assert.equal((await driver.lease(key('free'), 'e', 200)).state, 'busy');
      await elapse(400);
      assert.equal(await driver.fill(key('free'), 'd', entry(driver, 'late')), false);
      assert.equal((await driver.lease(key('free'), 'f', 10_000)).state, 'granted');
    });

    it('lets one caller at a time refresh a value, which stays readable meanwhile', async () => {
      const driver = await ready();
      const name = key('refresh');
      const old = entry(driver, 'old');
      await driver.set(name, old);
      assert.equal(await driver.leaseRefresh(name, 'a', 10_000), true);
      assert.equal(await driver.leaseRefresh(name, 'b', 10_000), false);
      assert.equal(await bodyOf(driver, name), 'old');
      assert.equal(await driver.refill(name, 'a', old.header.version, entry(driver, 'new')), true);
      assert.equal(await bodyOf(driver, name), 'new');
      assert.equal(await driver.leaseRefresh(name, 'c', 10_000), true);
      await driver.abandon(name, 'c', 'refresh');
      assert.equal(await driver.leaseRefresh(name, 'd', 10_000), true);
    });

    it('keeps an expired value for its grace, and one without grace not at all', async () => {
      const driver = await ready();
      await driver.set(key('grace'), entry(driver, 'kept', { graceMs: 300 }));
      await driver.set(key('none'), entry(driver, 'gone'));
      assert.equal(await driver.expire([key('grace'), key('none'), key('absent')]), 2);
      const kept = await read(driver, key('grace'));
      assert.equal(kept.state === 'value' && kept.entry.body, 'kept');
      assert.equal(kept.state === 'value' && kept.entry.header.ttlMs, 0);
      assert.equal((await read(driver, key('none'))).state, 'absent');
      await elapse(400);
      assert.equal((await read(driver, key('grace'))).state, 'absent');
    });

    it('deletes many keys at once and counts those that were there', async () => {
      const driver = await ready();
      const keys = Array.from({ length: 50 }, (_, index) => key(`many-${index}`));
      await Promise.all(keys.slice(0, 30).map((name) => driver.set(name, entry(driver, 'value'))));
      assert.equal(await driver.delete([...keys, keys[0]!]), 30);
      assert.equal(await driver.delete(keys), 0);
      assert.equal((await read(driver, keys[0]!)).state, 'absent');
    });

    it('passes over every key that matches a glob, and no other', async () => {
      const driver = await ready();
      const keys = Array.from({ length: 300 }, (_, index) => key(`scan:${index}`));
      await Promise.all([...keys, key('other')].map((name) => driver.set(name, entry(driver, 'value'))));
      const found = new Set<string>();
      const glob = key('scan:*').replaceAll('[', '\\[');
      for await (const names of driver.scan(glob)) names.forEach((name) => found.add(name));
      assert.deepEqual([...found].sort(), [...keys].sort());
    });

    it('stamps tags with a counter that only grows, and tells what has changed since', async () => {
      const driver = await ready();
      const before = (await driver.tagChanges(undefined)).state;
      const first = await driver.invalidateTags([key('tag-a'), key('tag-b')]);
      const second = await driver.invalidateTags([key('tag-b')]);
      assert.ok(first && second);
      assert.equal(first.epoch, before.epoch);
      assert.ok(first.seq > before.seq && second.seq > first.seq);
      const changes = await driver.tagChanges(before);
      assert.equal(changes.since, before.seq);
      const stamps = new Map(changes.stamps);
      assert.equal(stamps.get(key('tag-a')), first.seq);
      assert.equal(stamps.get(key('tag-b')), second.seq);
      assert.deepEqual(await driver.tagStamps([key('tag-b'), key('tag-c')], first.epoch), [second.seq, 0]);
      assert.equal(await driver.tagStamps([key('tag-b')], 'another'), undefined);
      assert.deepEqual(await driver.tagState(), changes.state);
      assert.deepEqual((await driver.read([key('tag-x')], true)).tagState, changes.state);
    });

    it('begins a new epoch after all stamps were forgotten', async () => {
      const driver = await ready();
      const before = await driver.invalidateTags([key('tag-d')]);
      await driver.forgetTags();
      const after = (await driver.tagChanges(before)).state;
      assert.notEqual(after.epoch, before?.epoch);
    });

    it('reports changed keys to a feed that is armed', async () => {
      const driver = await ready();
      const feed = driver.openFeed('all');
      await armed(feed);
      const changed: (string | null)[] = [];
      let look: () => void = () => undefined;
      feed.on({
        changed: (keys) => {
          changed.push(...(keys ?? [null]));
          look();
        },
        armed: () => undefined,
        gap: () => undefined,
      });
      await driver.set(key('feed-a'), entry(driver, 'value'));
      await driver.delete([key('feed-a')]);
      await driver.invalidateTags([key('feed-tag')]);
      await driver.set(key('feed-b'), entry(driver, 'value'));
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`Only ${changed.join()} were reported.`)), 5_000);
        look = () => {
          if (![key('feed-a'), key('feed-b'), driver.tagKey].every((name) => changed.includes(name))) return;
          clearTimeout(late);
          resolve();
        };
        look();
      });
      feed.close();
    });
  });
}

async function armed(feed: ChangeFeed): Promise<void> {
  if (feed.armed) return;
  await new Promise<void>((resolve) => {
    const end = feed.on({ changed: () => undefined, gap: () => undefined, armed: () => (end(), resolve()) });
  });
}
