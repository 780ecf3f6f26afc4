import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CacheDriver } from '../drivers/cache-driver.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { Journal } from '../outage/journal.js';
import { SharedTier } from '../shared/shared-tier.js';
import { keepLease, LEASE_MS } from './lease.js';

let driver: MemoryCacheDriver;
let shared: SharedTier;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  driver = new MemoryCacheDriver();
  shared = new SharedTier(driver, new Journal(driver, '*'), 'default', 45);
});
afterEach(() => {
  jest.useRealTimers();
});

const lease = (store: CacheDriver, token: string): ReturnType<CacheDriver['lease']> =>
  store.lease('key', token, LEASE_MS);
const stateOf = async (token: string): Promise<string> => (await lease(driver, token)).state;

describe('A lease', () => {
  it('that nobody keeps is free after five seconds', async () => {
    await lease(driver, 'dead');
    jest.advanceTimersByTime(4_999);
    expect(await stateOf('other')).toBe('busy');
    jest.advanceTimersByTime(1);

    expect(await stateOf('other')).toBe('granted');
  });

  it.each(['placeholder', 'refresh'] as const)('is kept for as long as its load runs: a %s', async (kind) => {
    const take = (token: string): Promise<unknown> =>
      kind === 'refresh' ? driver.leaseRefresh('key', token, LEASE_MS) : stateOf(token);
    await take('me');
    const release = keepLease(shared, 'key', { token: 'me', kind, version: undefined });
    await jest.advanceTimersByTimeAsync(30_000);
    expect([false, 'busy']).toContain(await take('other'));

    release();
    await jest.advanceTimersByTimeAsync(LEASE_MS);
    expect([true, 'granted']).toContain(await take('other'));
  });

  it('is not kept for longer than a minute: its load takes too long to be stored', async () => {
    await lease(driver, 'me');
    keepLease(shared, 'key', { token: 'me', kind: 'placeholder', version: undefined });
    await jest.advanceTimersByTimeAsync(59_000);
    expect(await stateOf('other')).toBe('busy');
    await jest.advanceTimersByTimeAsync(8_000);

    expect(await stateOf('other')).toBe('granted');
    expect(jest.getTimerCount()).toBe(0);
  });

  it('that was lost is not taken back', async () => {
    await lease(driver, 'me');
    const release = keepLease(shared, 'key', { token: 'me', kind: 'placeholder', version: undefined });
    await driver.delete(['key']);
    await jest.advanceTimersByTimeAsync(10_000);

    expect(await stateOf('other')).toBe('granted');
    release();
  });

  it('survives that it cannot be prolonged once', async () => {
    await lease(driver, 'me');
    const renew = jest.spyOn(driver, 'renew').mockRejectedValueOnce(new Error('away'));
    const release = keepLease(shared, 'key', { token: 'me', kind: 'placeholder', version: undefined });
    await jest.advanceTimersByTimeAsync(10_000);

    expect(renew.mock.calls.length).toBeGreaterThan(2);
    expect(await stateOf('other')).toBe('busy');
    release();
  });
});
