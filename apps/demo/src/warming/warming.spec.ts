import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { CacheWarmer, type WarmReport } from '@nuthatch/cache';
import type { ShopEvent } from '../catalogue/events.queries.js';
import { createDemoApp } from '../create-demo-app.js';
import type { Venue } from './venues.service.js';
import { WarmingSchedule } from './warming.schedule.js';

describe('The warm ticket shop', () => {
  const lines: string[] = [];
  const note = (message: unknown, context?: unknown): void =>
    void lines.push(`[${String(context)}] ${String(message)}`);
  let app: INestApplication;
  let report: WarmReport;

  beforeAll(async () => {
    app = await createDemoApp({
      env: { FEATURE_FLAGS: 'waiting-list' },
      cities: 100,
      logger: { log: note, warn: note, error: note },
    });
    await app.listen(0, '127.0.0.1');
    // Whether the boot has waited for it or not.
    report = await app.get(CacheWarmer).warm();
  }, 60_000);

  afterAll(() => app?.close());

  async function ask<T>(path: string): Promise<{ status: number; cache: string | null; body: T }> {
    const response = await fetch((await app.getUrl()) + path);
    return { status: response.status, cache: response.headers.get('x-cache'), body: (await response.json()) as T };
  }

  it('warms popular events, venue lists and feature flags', () => {
    expect(report.failed).toEqual([]);
    expect(report.warmers.map(({ name, outcome }) => ({ name, outcome }))).toEqual(
      expect.arrayContaining([
        { name: 'popular-events', outcome: 'done' },
        { name: 'venue-lists', outcome: 'done' },
        { name: 'feature-flags', outcome: 'done' },
      ]),
    );
  });

  it('answers the first who asks from the cache', async () => {
    const popular = await ask<ShopEvent[]>('/popular');
    const venues = await ask<Venue[]>('/venues/cn');
    const flags = await ask('/flags');

    expect([popular.cache, venues.cache, flags.cache]).toEqual(['hit', 'hit', 'hit']);
    expect(popular.body).toHaveLength(20);
    expect(popular.body.every(({ seatsLeft }) => seatsLeft === 0)).toBe(true);
    expect(venues.body.length).toBeGreaterThan(10);
    expect(flags.body).toEqual({ 'seat-map': false, 'group-discount': false, 'waiting-list': true });
  });

  it('loads what is not warmed when somebody asks for it', async () => {
    expect(await ask('/venues/zz')).toEqual({ status: 200, cache: 'miss', body: [] });
    expect(await ask('/venues/zz')).toMatchObject({ cache: 'hit' });
  });

  it('says 400 to what is no country', async () => {
    expect(await ask('/venues/portugal')).toMatchObject({ status: 400, body: { fields: ['country'] } });
  });

  it('logs a report in one line each time the clock strikes', async () => {
    lines.length = 0;

    await app.get(WarmingSchedule, { strict: false }).warm();

    expect(lines).toEqual([
      expect.stringMatching(/^\[Warming\] Warmed 3 of 3 in \d+ ms: .*popular-events 21 entries in/),
    ]);
  });
});
