import assert from 'node:assert/strict';
import type { CacheDriver } from './drivers/cache-driver.js';

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

  describe(`cache driver on ${options.name}`, () => {
    it('returns what was set, until its time to live is over', async () => {
      const driver = await create();
      await driver.set(key('ttl'), 'value', 300);
      assert.equal(await driver.get(key('ttl')), 'value');
      assert.equal(await driver.has(key('ttl')), true);
      await elapse(350);
      assert.equal(await driver.get(key('ttl')), undefined);
      assert.equal(await driver.has(key('ttl')), false);
    });

    it('keeps text as it is, also when it is empty or looks like a lease', async () => {
      const driver = await create();
      for (const text of ['', '\n', 'n1;lease=x\n', '\u0000\u{1F426}é', 'x'.repeat(100_000)]) {
        await driver.set(key('text'), text, 10_000);
        assert.equal(await driver.get(key('text')), text);
        assert.deepEqual(await driver.getOrLease(key('text'), 'a', 1_000), { state: 'hit', value: text });
      }
    });

    it('grants one lease per key, and stores what is filled under it', async () => {
      const driver = await create();
      assert.deepEqual(await driver.getOrLease(key('lease'), 'a', 10_000), { state: 'leased' });
      assert.deepEqual(await driver.getOrLease(key('lease'), 'b', 10_000), { state: 'busy' });
      assert.equal(await driver.get(key('lease')), undefined);
      assert.equal(await driver.has(key('lease')), false);
      assert.equal(await driver.fill(key('lease'), 'b', 'wrong', 10_000), false);
      assert.equal(await driver.fill(key('lease'), 'a', 'right', 10_000), true);
      assert.deepEqual(await driver.getOrLease(key('lease'), 'c', 10_000), { state: 'hit', value: 'right' });
    });

    it('does not store a load whose key was deleted since it began', async () => {
      const driver = await create();
      await driver.getOrLease(key('deleted'), 'a', 10_000);
      assert.equal(await driver.delete([key('deleted')]), 1);
      assert.equal(await driver.fill(key('deleted'), 'a', 'stale', 10_000), false);
      assert.equal(await driver.get(key('deleted')), undefined);
    });

    it('does not store a load whose key was set since it began', async () => {
      const driver = await create();
      await driver.getOrLease(key('set'), 'a', 10_000);
      await driver.set(key('set'), 'newer', 10_000);
      assert.equal(await driver.fill(key('set'), 'a', 'stale', 10_000), false);
      assert.equal(await driver.get(key('set')), 'newer');
    });

    it('does not store a load of before a deletion under the lease of a load after it', async () => {
      const driver = await create();
      await driver.getOrLease(key('two'), 'a', 10_000);
      await driver.delete([key('two')]);
      await driver.getOrLease(key('two'), 'b', 10_000);
      assert.equal(await driver.fill(key('two'), 'a', 'stale', 10_000), false);
      assert.equal(await driver.fill(key('two'), 'b', 'fresh', 10_000), true);
      assert.equal(await driver.get(key('two')), 'fresh');
    });

    it('frees the key when the lease is given back or has expired', async () => {
      const driver = await create();
      await driver.getOrLease(key('free'), 'a', 10_000);
      await driver.abandon(key('free'), 'b');
      assert.deepEqual(await driver.getOrLease(key('free'), 'c', 10_000), { state: 'busy' });
      await driver.abandon(key('free'), 'a');
      assert.deepEqual(await driver.getOrLease(key('free'), 'd', 200), { state: 'leased' });
      await elapse(250);
      assert.equal(await driver.fill(key('free'), 'd', 'late', 10_000), false);
      assert.deepEqual(await driver.getOrLease(key('free'), 'e', 10_000), { state: 'leased' });
    });

    it('deletes many keys at once and counts those that were there', async () => {
      const driver = await create();
      const keys = Array.from({ length: 50 }, (_, index) => key(`many-${index}`));
      await Promise.all(keys.slice(0, 30).map((name) => driver.set(name, 'value', 10_000)));
      assert.equal(await driver.delete([...keys, keys[0]!]), 30);
      assert.equal(await driver.delete(keys), 0);
      assert.equal(await driver.get(keys[0]!), undefined);
    });
  });
}
