import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { encodeNews, type NewsMessage } from './news-message.js';
import { RedisLimitNews } from './redis-news.js';

type Told = 'armed' | 'gap' | NewsMessage;

class FakeSubscriber {
  readonly events = new EventEmitter();
  readonly channels = new EventEmitter();
  refusal: Error | undefined;

  on(event: string, listener: () => void): () => void {
    this.events.on(event, listener);
    return () => this.events.off(event, listener);
  }

  async subscribe(channel: string, listener: (text: Buffer) => void): Promise<() => Promise<void>> {
    if (this.refusal) throw this.refusal;
    this.channels.on(channel, listener);
    return async () => void this.channels.off(channel, listener);
  }

  get listeners(): number {
    return this.events.eventNames().length + this.channels.eventNames().length;
  }
}

let subscriber: FakeSubscriber;
let news: RedisLimitNews;
let told: Told[];
/** Whether what is published is spread, and whether the server answers. */
let spreads: boolean;
let answers: boolean;
let published: [channel: string, text: string][];
let warnings: string[];

const call = async (_name: string, [channel, text]: [string, string]): Promise<unknown> => {
  if (!answers) throw new Error('unreachable');
  published.push([channel, text]);
  if (spreads) setTimeout(() => subscriber.channels.emit(channel, Buffer.from(text)), 1);
  return 1;
};
const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
const openNews = (): void => {
  news = new RedisLimitNews({ name: 'default', call, subscriber } as unknown as ServerConnection, 'app:limit:');
  news.on({ told: (message) => told.push(message), armed: () => told.push('armed'), gap: () => told.push('gap') });
};

beforeEach(() => {
  jest.useFakeTimers();
  subscriber = new FakeSubscriber();
  [told, published, warnings, spreads, answers] = [[], [], [], true, true];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation((text: unknown) => void warnings.push(String(text)));
});
afterEach(() => {
  news.close();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

describe('The news of processes', () => {
  it('can be relied on once a message of its own has come back, and tells what others publish', async () => {
    openNews();
    expect(news.alive).toBe(false);
    await pass(10);
    expect(news.alive).toBe(true);

    subscriber.channels.emit('app:limit:news', Buffer.from(encodeNews({ kind: 'forget', key: 'a' })));
    subscriber.channels.emit('app:limit:news', Buffer.from('rubbish'));

    expect(told).toEqual(['armed', { kind: 'forget', key: 'a' }]);
  });

  it('cannot be relied on as long as nothing comes back, though the server answers', async () => {
    spreads = false;
    openNews();
    await pass(5_000);
    expect(news.alive).toBe(false);

    spreads = true;
    await pass(2_000);
    expect(told).toEqual(['armed']);
  });

  it('tells of a gap within two seconds when messages stop to come, and when the server stops to answer', async () => {
    openNews();
    await pass(10);
    spreads = false;
    await pass(2_000);
    expect(told).toEqual(['armed', 'gap']);

    spreads = true;
    await pass(2_000);
    answers = false;
    await pass(2_000);
    expect(told).toEqual(['armed', 'gap', 'armed', 'gap']);
  });

  it('tells of a gap at once when the subscription is lost, even if it is back at once', async () => {
    openNews();
    await pass(10);

    subscriber.events.emit('gap');
    expect(told).toEqual(['armed', 'gap']);
    expect(news.alive).toBe(false);
    subscriber.events.emit('resumed');
    await pass(10);

    expect(told).toEqual(['armed', 'gap', 'armed']);
  });

  it('tells of a gap also when only one of its own messages is lost, as news may have gone the same way', async () => {
    openNews();
    await pass(350);
    subscriber.events.emit('resumed');
    await pass(10);
    spreads = false;
    await pass(50);
    spreads = true;
    await pass(1_300);

    expect(told).toEqual(['armed', 'gap', 'armed']);
  });

  it('does not take an echo from before a gap for one from after it', async () => {
    openNews();
    await pass(10);
    spreads = false;
    await pass(400);
    const [channel, text] = published.at(-1)!;
    subscriber.events.emit('gap');
    subscriber.channels.emit(channel, Buffer.from(text));
    await pass(0);

    expect(news.alive).toBe(false);
  });

  it('tells this process of what it publishes itself at once and again before it resolves, and even if that fails', async () => {
    openNews();
    await pass(10);
    spreads = false;
    await news.publish({ kind: 'overrides' });
    expect(told).toEqual(['armed', { kind: 'overrides' }, { kind: 'overrides' }]);

    answers = false;
    await expect(news.publish({ kind: 'forget', key: 'b' })).rejects.toThrow('unreachable');
    expect(told.at(-1)).toEqual({ kind: 'forget', key: 'b' });
  });

  it('keeps trying to subscribe, and says once what the server does not allow', async () => {
    subscriber.refusal = new Error("NOPERM this user has no permissions to access the 'app:limit:news' channel");
    openNews();
    await pass(5_000);
    expect(news.alive).toBe(false);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('app:limit:news*');

    subscriber.refusal = undefined;
    await pass(1_500);
    expect(news.alive).toBe(true);
  });

  it('holds nothing open when it was closed, also while it subscribes, and tells nobody anything', async () => {
    openNews();
    await pass(10);
    news.close();
    await pass(0);
    expect(subscriber.listeners).toBe(0);
    expect(told).toEqual(['armed', 'gap']);
    const before = published.length;
    await pass(5_000);
    expect(published).toHaveLength(before);

    openNews();
    news.close();
    await pass(1_000);
    expect(subscriber.listeners).toBe(0);
  });
});
