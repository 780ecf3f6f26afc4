import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ChangeFeed, ChangeListener } from '../drivers/change-feed.js';
import { WakeUps } from './wake-ups.js';

class Feed implements ChangeFeed {
  readonly announces = false;
  armed = true;
  closed = false;
  readonly listeners = new Set<ChangeListener>();

  on(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async announce(): Promise<void> {}

  close(): void {
    this.closed = true;
    this.listeners.clear();
  }

  change(...names: string[]): void {
    for (const listener of this.listeners) listener.changed(names);
  }
}

let feeds: Feed[];
let wakeUps: WakeUps;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  feeds = [];
  wakeUps = new WakeUps(() => {
    const feed = new Feed();
    feeds.push(feed);
    return feed;
  });
});
afterEach(() => {
  wakeUps.close();
  jest.useRealTimers();
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits as a caller does; tells whether it was woken by now. */
function wait(name: string, ms: number): { woken(): Promise<boolean>; cancel(): void } {
  const waiter = wakeUps.waiter(name);
  let woken = false;
  void waiter.wait(ms).then(() => (woken = true));
  return {
    woken: async () => {
      await settled();
      return woken;
    },
    cancel: () => waiter.cancel(),
  };
}

/** Has the feed open, as it is while others wait. */
async function openFeed(): Promise<Feed> {
  const first = wait('first', 1);
  jest.advanceTimersByTime(1);
  await first.woken();
  first.cancel();
  return feeds[0]!;
}

describe('Who waits for a key', () => {
  it('is woken when it changes, and not when others do', async () => {
    const feed = await openFeed();
    const waiter = wait('a', 5_000);

    feed.change('b');
    expect(await waiter.woken()).toBe(false);
    feed.change('b', 'a');
    expect(await waiter.woken()).toBe(true);
  });

  it('is woken together with all others who wait for it', async () => {
    const feed = await openFeed();
    const waiters = [wait('a', 5_000), wait('a', 5_000), wait('b', 5_000)];

    feed.change('a');

    expect(await Promise.all(waiters.map((waiter) => waiter.woken()))).toEqual([true, true, false]);
  });

  it('is woken after its time', async () => {
    await openFeed();
    const waiter = wait('a', 5_000);

    jest.advanceTimersByTime(4_999);
    expect(await waiter.woken()).toBe(false);
    jest.advanceTimersByTime(1);
    expect(await waiter.woken()).toBe(true);
  });

  it('does not miss a change between the making of the waiter and the waiting', async () => {
    const feed = await openFeed();
    const waiter = wakeUps.waiter('a');
    feed.change('a');
    let woken = false;
    void waiter.wait(5_000).then(() => (woken = true));
    await settled();

    expect(woken).toBe(true);
  });

  it('looks for itself soon when there was no feed that could have told of a change before it waited', async () => {
    const waiter = wait('a', 5_000);
    jest.advanceTimersByTime(99);
    expect(await waiter.woken()).toBe(false);
    jest.advanceTimersByTime(1);

    expect(await waiter.woken()).toBe(true);
  });

  it('looks for itself now and then while nobody would tell', async () => {
    const feed = await openFeed();
    feed.armed = false;
    const waiter = wait('a', 5_000);
    jest.advanceTimersByTime(100);

    expect(await waiter.woken()).toBe(true);
  });

  it.each<[string, (listener: ChangeListener) => void]>([
    ['any key may have changed', (listener) => listener.changed(null)],
    ['the feed is armed', (listener) => listener.armed()],
    ['the feed has a gap', (listener) => listener.gap()],
  ])('is woken when %s', async (_, happens) => {
    const feed = await openFeed();
    const waiter = wait('a', 5_000);
    feed.listeners.forEach(happens);

    expect(await waiter.woken()).toBe(true);
  });

  it('is not told any more when it has given up', async () => {
    const feed = await openFeed();
    const waiter = wait('a', 5_000);
    waiter.cancel();
    feed.change('a');

    expect(await waiter.woken()).toBe(false);
  });
});

describe('The feed that wakes', () => {
  it('is opened by the first who waits, and shared by the others', async () => {
    wakeUps.waiter('a').cancel();
    expect(feeds).toHaveLength(0);
    await openFeed();
    wait('a', 5_000);

    expect(feeds).toHaveLength(1);
  });

  it('is closed when nobody has waited for half a minute, and opened again', async () => {
    const feed = await openFeed();
    jest.advanceTimersByTime(29_000);
    expect(feed.closed).toBe(false);
    jest.advanceTimersByTime(1_001);
    expect(feed.closed).toBe(true);
    const waiter = wait('a', 5_000);
    feeds[1]!.change('a');

    expect(await waiter.woken()).toBe(true);
  });

  it('stays open while somebody waits', async () => {
    const feed = await openFeed();
    const waiter = wait('a', 100_000);
    jest.advanceTimersByTime(70_000);

    expect(feed.closed).toBe(false);
    feed.change('a');
    expect(await waiter.woken()).toBe(true);
  });

  it('wakes everybody when it is closed', async () => {
    await openFeed();
    const waiter = wait('a', 5_000);
    wakeUps.close();

    expect(await waiter.woken()).toBe(true);
  });
});
