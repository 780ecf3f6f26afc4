import type { LimitNews } from './limit-news.js';

/** Tells all processes that these subjects got something back, without waiting for it. */
export function forgetAll(news: LimitNews, keys: readonly string[]): void {
  for (const key of keys)
    news.publish({ kind: 'forget', key }).catch(() => 'this process knows, and the others ask in time');
}
