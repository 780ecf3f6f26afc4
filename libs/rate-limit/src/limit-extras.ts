import { DenyCache } from './deny-cache/deny-cache.js';
import { LocalLimitNews } from './news/local-news.js';
import type { LimitNews } from './news/limit-news.js';
import { LimitOverrides } from './overrides/limit-overrides.js';
import { MemoryOverrideStore } from './overrides/memory-override-store.js';
import type { OverrideStore } from './overrides/override-store.js';
import { withLimit } from './policies/with-limit.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';
import { MemoryTopStore } from './top/memory-top-store.js';
import { TopConsumers } from './top/top-consumers.js';
import type { TopStore } from './top/top-store.js';

/** What helps RateLimitCore beside the driver. */
export interface LimitExtras {
  readonly news: LimitNews;
  readonly overrides: LimitOverrides;
  readonly denyCache: DenyCache | undefined;
  readonly top: TopConsumers | undefined;
  /** Called when the application ends. */
  close(): Promise<void>;
}

/** What processes share, and how they tell each other of it. */
export interface SharedParts {
  readonly news: LimitNews;
  readonly overrides: OverrideStore;
  readonly top: TopStore;
}

/** @param close called when the application ends */
export function createExtras(
  { policies, denyCache: denied, top }: ResolvedRateLimitOptions,
  parts: SharedParts = { news: new LocalLimitNews(), overrides: new MemoryOverrideStore(), top: new MemoryTopStore() },
  close: () => Promise<void> = async () => undefined,
): LimitExtras {
  const { news } = parts;
  const denyCache = denied > 0 ? new DenyCache(news, denied) : undefined;
  const overrides = new LimitOverrides({
    store: parts.overrides,
    news,
    policies: policies.byName,
    withLimit,
    changed: (changed) =>
      denyCache?.forget(
        undefined,
        changed.map(({ id }) => id),
      ),
  });
  return { news, overrides, denyCache, top: top ? new TopConsumers(parts.top) : undefined, close };
}
