import { SeededRandom } from '../seeded-random.js';
import type { HistoryEvent } from './events.js';
import { markOf, type AcceptedWrite } from './history.js';

export interface MadeUp {
  readonly events: Map<string, HistoryEvent[]>;
  readonly accepted: Map<string, AcceptedWrite[]>;
}

export const MADE_UP_TTL_MS = 1_000;
const KEY = 'hot';
const FIRST_TOKEN = 1_700_000_000_000_000n;

/** What processes write down that contend for a perfect lock, on a network that takes its time. */
export function makeUpHistory(seed: number, attempts = 200): MadeUp {
  const random = new SeededRandom(seed);
  const events = new Map<string, HistoryEvent[]>();
  const accepted: AcceptedWrite[] = [];
  const delay = (): number => random.between(0.05, 0.4);
  let arrivedAt = 1_000;
  let freeAt = 0;
  let mark = '';

  for (let attempt = 1; attempt <= attempts; attempt++) {
    const process = `p${1 + Math.floor(random.next() * 4)}`;
    const id = `${process}:${attempt}`;
    const mine: HistoryEvent[] = [];
    const note = (event: HistoryEvent): number => mine.push(event);
    arrivedAt += random.between(0.1, 4);
    const askedAt = arrivedAt - delay();
    note({ at: askedAt, what: 'asked', attempt, how: 'acquire', keys: [KEY], ttlMs: MADE_UP_TTL_MS, waitMs: 5_000 });
    note({ at: askedAt, what: 'claiming', claims: [{ id, key: KEY, ttlMs: MADE_UP_TTL_MS }] });
    const [isQueued, storeAt] = [arrivedAt < freeAt, Math.max(arrivedAt, freeAt)];
    const token = FIRST_TOKEN + BigInt(Math.round(storeAt * 1_000));
    const answeredAt = arrivedAt + delay();
    const claimed = { at: answeredAt, what: 'claimed', ids: [id], sentAt: askedAt, since: askedAt } as const;
    let at = answeredAt;
    if (isQueued && random.chance(0.1) && storeAt > answeredAt + 1) {
      note({ ...claimed, state: 'waiting' });
      note({ at: random.between(answeredAt, storeAt - 0.5), what: 'leaving', id });
      note({ at: storeAt, what: 'gone', id });
      note({ at: storeAt, what: 'refused', attempt, why: 'LOCK_BUSY' });
    } else {
      if (isQueued) {
        note({ ...claimed, state: 'waiting' });
        at = Math.max(storeAt, answeredAt) + delay();
        note({ at, what: 'told', id, token: String(token) });
      } else note({ ...claimed, state: 'granted', token: String(token) });
      note({ at, what: 'granted', attempt, token: String(token), validForMs: MADE_UP_TTL_MS - (at - askedAt) });
      note({ at: (at += 0.02), what: 'read', attempt, found: mark });
      note({ at: at + 0.3, what: 'fenced', attempt, accepted: true, sentAt: at });
      note({ at: (at += random.between(0.4, 6)), what: 'checked', attempt, held: true });
      note({ at: (at += 0.02), what: 'wrote', attempt, found: mark });
      mark = markOf({ process, attempt });
      accepted.push({ token, by: mark });
      note({ at: (at += 0.02), what: 'left', attempt });
      note({ at: (at += 0.01), what: 'releasing', attempt });
      note({ at, what: 'ending', ids: [id] });
      freeAt = at + delay();
      const endedAt = freeAt + delay();
      note({ at: endedAt, what: 'ended', ids: [id], outcome: 'released' });
      note({ at: endedAt, what: 'released', attempt, outcome: 'released' });
    }
    events.set(process, [...(events.get(process) ?? []), ...mine]);
  }
  for (const list of events.values()) {
    list.sort((one, other) => one.at - other.at);
    list.push({ at: list.at(-1)!.at + 1, what: 'finished' });
  }
  return { events, accepted: new Map([[KEY, accepted]]) };
}
