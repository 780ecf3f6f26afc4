import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { Announcer } from './announcer.js';
import { BroadcastFeed } from './broadcast-feed.js';
import type { ChangeLog, ChangePage } from './change-log.js';
import type { ChangeMessage } from './change-message.js';

type Told = 'armed' | 'gap' | null | string;

/** A log of which the messages have the IDs `1-1`, `2-1` and so on, and the key of the same number. */
let log: ChangeMessage[];
let reads: { known: string | undefined; answer: () => Promise<void>; fail: () => Promise<void> }[];
let subscriber: FakeSubscriber;
let feed: BroadcastFeed;
let told: Told[];

class FakeSubscriber {
  readonly #events = new EventEmitter();
  subscriptions = 0;
  refuses = false;

  on(event: string, listener: () => void): () => void {
    this.#events.on(event, listener);
    return () => this.#events.off(event, listener);
  }

  async subscribe(_channel: string, listener: (text: Buffer) => void): Promise<() => Promise<void>> {
    if (this.refuses) throw new Error('unreachable');
    this.subscriptions += 1;
    this.#events.on('message', listener);
    return async () => void this.#events.off('message', listener);
  }

  get listeners(): number {
    return this.#events.listenerCount('resumed') + this.#events.listenerCount('message');
  }

  resume(): void {
    this.#events.emit('resumed');
  }

  say(text: string): void {
    this.#events.emit('message', Buffer.from(text));
  }
}

const settled = (): Promise<void> => jest.advanceTimersByTimeAsync(0);
const message = (number: number): ChangeMessage => ({
  after: `${number - 1}-1`,
  id: `${number}-1`,
  keys: [`key:${number}`],
});
const publish = (...numbers: number[]): void => {
  for (const number of numbers) subscriber.say(JSON.stringify(message(number)));
};
const append = (...numbers: number[]): void => void log.push(...numbers.map(message));
const lastRead = (): (typeof reads)[number] => reads.at(-1)!;

function read(known: string | undefined): Promise<ChangePage> {
  // What the server answers is decided when it gets the question, and arrives when the spec says so.
  const from = log.findIndex(({ id }) => id === known) + 1;
  const page = { last: log.at(-1)?.id ?? '0-1', messages: known === undefined ? [] : log.slice(from) };
  return new Promise((resolve, reject) =>
    reads.push({
      known,
      answer: () => (resolve(page), settled()),
      fail: () => (reject(new Error('timeout')), settled()),
    }),
  );
}

function open(): BroadcastFeed {
  const connection = { subscriber } as unknown as ServerConnection;
  return new BroadcastFeed(connection, { channel: 'changes', read } as unknown as ChangeLog, {} as Announcer, 'key:');
}

beforeEach(async () => {
  jest.useFakeTimers();
  log = [];
  reads = [];
  told = [];
  subscriber = new FakeSubscriber();
  feed = open();
  feed.on({
    changed: (keys) => void told.push(...(keys ?? [null])),
    armed: () => void told.push('armed'),
    gap: () => void told.push('gap'),
  });
  append(1);
  await settled();
});
afterEach(() => {
  feed.close();
  jest.useRealTimers();
});

describe('A feed by broadcasts', () => {
  it('is armed when it knows where the log ends, and reports nothing from before', async () => {
    expect(feed.armed).toBe(false);
    await lastRead().answer();

    expect(feed.armed).toBe(true);
    expect(told).toEqual(['armed']);
  });

  it('is armed by the log alone while it cannot subscribe, and tries again', async () => {
    feed.close();
    subscriber.refuses = true;
    subscriber.subscriptions = 0;
    feed = open();
    await settled();
    await lastRead().answer();
    expect(feed.armed).toBe(true);

    subscriber.refuses = false;
    await jest.advanceTimersByTimeAsync(500);

    expect(subscriber.subscriptions).toBe(1);
  });

  describe('that is armed', () => {
    beforeEach(() => lastRead().answer());

    it('reports messages as they come, without a read', () => {
      append(2, 3);
      publish(2, 3);

      expect(told).toEqual(['armed', 'key:2', 'key:3']);
      expect(reads).toHaveLength(1);
    });

    it('reads the log at once when a message is missing', async () => {
      append(2, 3);
      publish(3);
      expect(lastRead().known).toBe('1-1');
      await lastRead().answer();

      expect(told).toEqual(['armed', 'key:2', 'key:3']);
      expect(reads).toHaveLength(2);
    });

    it('reads the log at once when its subscription is in place again', async () => {
      append(2);
      subscriber.resume();
      expect(reads).toHaveLength(2);
      await lastRead().answer();

      expect(told).toEqual(['armed', 'key:2']);
    });

    it('reads the log at each heartbeat', async () => {
      append(2);
      await jest.advanceTimersByTimeAsync(400);
      await lastRead().answer();

      expect(told).toEqual(['armed', 'key:2']);
    });

    it('reads the log at once after a message that is none', () => {
      subscriber.say('nonsense');

      expect(reads).toHaveLength(2);
    });

    it('reports once what comes by both ways, and does not read again for it', async () => {
      await jest.advanceTimersByTimeAsync(300);
      append(2, 3);
      await jest.advanceTimersByTimeAsync(100);
      append(4);
      publish(2);
      const answered = lastRead().answer();
      publish(3, 4);
      await answered;
      publish(3);

      expect(told).toEqual(['armed', 'key:2', 'key:3', 'key:4']);
      expect(reads).toHaveLength(2);
    });

    it('takes what has come during a read that failed', async () => {
      append(2);
      await jest.advanceTimersByTimeAsync(400);
      publish(2);
      await lastRead().fail();

      expect(told).toEqual(['armed', 'key:2']);
    });

    it('reports a gap when the log cannot be read, and arms again when it has read what it missed', async () => {
      append(2);
      for (let beat = 0; beat < 5; beat++) {
        await jest.advanceTimersByTimeAsync(400);
        await lastRead().fail();
      }
      expect(told).toEqual(['armed', 'gap']);

      await jest.advanceTimersByTimeAsync(400);
      await lastRead().answer();

      expect(told).toEqual(['armed', 'gap', 'key:2', 'armed']);
    });

    it('leaves nothing behind when it is closed, not even if it is subscribed later', async () => {
      feed.close();
      expect(subscriber.listeners).toBe(0);

      open().close();
      await settled();

      expect(subscriber.listeners).toBe(0);
    });

    it('subscribes once', async () => {
      await jest.advanceTimersByTimeAsync(5_000);

      expect(subscriber.subscriptions).toBe(1);
    });
  });
});
