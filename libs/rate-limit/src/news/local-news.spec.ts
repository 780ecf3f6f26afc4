import { describe, expect, it } from '@jest/globals';
import { LocalLimitNews } from './local-news.js';

describe('The news of a single process', () => {
  it('are told to all that listen, and to nobody after they were closed', async () => {
    const news = new LocalLimitNews();
    const told: string[] = [];
    const listen = (name: string): (() => void) =>
      news.on({
        told: ({ kind }) => told.push(`${name} ${kind}`),
        armed: () => told.push(`${name} armed`),
        gap: () => told.push(`${name} gap`),
      });
    listen('one');
    const off = listen('two');
    await news.publish({ kind: 'overrides' });
    off();
    await news.publish({ kind: 'forget' });
    news.close();
    await news.publish({ kind: 'forget' });

    expect(told).toEqual(['one armed', 'two armed', 'one overrides', 'two overrides', 'one forget', 'one gap']);
    expect(news.alive).toBe(false);
  });
});
