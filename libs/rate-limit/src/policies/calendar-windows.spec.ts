import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CalendarWindows, isTimeZone, type CalendarUnit } from './calendar-windows.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const UNITS = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const;
const LONGEST_MS = {
  minute: 60_000,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 31 * DAY_MS,
  year: 366 * DAY_MS,
};
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'America/Havana',
  'America/St_Johns',
  'America/Toronto',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Asia/Amman',
  'Asia/Pyongyang',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'Pacific/Chatham',
  'Antarctica/Troll',
];

describe('A calendar period', () => {
  it.each<[CalendarUnit, string, string, string, string, string]>([
    // unit, zone, a moment in it, its start, its end, the end of the next
    ['minute', 'UTC', '2026-02-28T23:59:30Z', '2026-02-28T23:59Z', '2026-03-01T00:00Z', '2026-03-01T00:01Z'],
    ['hour', 'UTC', '2026-02-28T23:59:30Z', '2026-02-28T23:00Z', '2026-03-01T00:00Z', '2026-03-01T01:00Z'],
    ['day', 'UTC', '2024-02-28T12:00Z', '2024-02-28T00:00Z', '2024-02-29T00:00Z', '2024-03-01T00:00Z'],
    ['week', 'UTC', '2026-11-22T23:59Z', '2026-11-16T00:00Z', '2026-11-23T00:00Z', '2026-11-30T00:00Z'],
    ['week', 'UTC', '2026-11-23T00:00Z', '2026-11-23T00:00Z', '2026-11-30T00:00Z', '2026-12-07T00:00Z'],
    ['week', 'UTC', '2026-12-30T00:00Z', '2026-12-28T00:00Z', '2027-01-04T00:00Z', '2027-01-11T00:00Z'],
    ['month', 'UTC', '2026-01-31T23:59Z', '2026-01-01T00:00Z', '2026-02-01T00:00Z', '2026-03-01T00:00Z'],
    ['month', 'UTC', '2026-12-01T00:00Z', '2026-12-01T00:00Z', '2027-01-01T00:00Z', '2027-02-01T00:00Z'],
    ['year', 'UTC', '2024-06-01T00:00Z', '2024-01-01T00:00Z', '2025-01-01T00:00Z', '2026-01-01T00:00Z'],
    ['day', 'Europe/Berlin', '2026-07-01T00:00Z', '2026-06-30T22:00Z', '2026-07-01T22:00Z', '2026-07-02T22:00Z'],
    ['month', 'Europe/Berlin', '2026-03-31T22:00Z', '2026-03-31T22:00Z', '2026-04-30T22:00Z', '2026-05-31T22:00Z'],
    ['month', 'Europe/Berlin', '2026-03-15T00:00Z', '2026-02-28T23:00Z', '2026-03-31T22:00Z', '2026-04-30T22:00Z'],
    ['hour', 'Asia/Kolkata', '2026-01-01T00:10Z', '2025-12-31T23:30Z', '2026-01-01T00:30Z', '2026-01-01T01:30Z'],
    ['hour', 'Asia/Kathmandu', '2026-01-01T00:10Z', '2025-12-31T23:15Z', '2026-01-01T00:15Z', '2026-01-01T01:15Z'],
    // 23 and 25 hours.
    ['day', 'America/New_York', '2026-03-08T12:00Z', '2026-03-08T05:00Z', '2026-03-09T04:00Z', '2026-03-10T04:00Z'],
    ['day', 'America/New_York', '2026-11-01T12:00Z', '2026-11-01T04:00Z', '2026-11-02T05:00Z', '2026-11-03T05:00Z'],
    // Clocks run through this hour twice, and each is one; then they skip one.
    ['hour', 'America/New_York', '2026-11-01T05:30Z', '2026-11-01T05:00Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z'],
    ['hour', 'America/New_York', '2026-11-01T06:30Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z', '2026-11-01T08:00Z'],
    ['hour', 'America/New_York', '2026-03-08T06:30Z', '2026-03-08T06:00Z', '2026-03-08T07:00Z', '2026-03-08T08:00Z'],
    // Set by half an hour: the hour that is run through again in part is longer, the one that begins late is shorter.
    ['hour', 'Australia/Lord_Howe', '2026-04-04T14:30Z', '2026-04-04T14:00Z', '2026-04-04T15:30Z', '2026-04-04T16:30Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T15:10Z', '2026-04-04T14:00Z', '2026-04-04T15:30Z', '2026-04-04T16:30Z'],
    ['hour', 'Australia/Lord_Howe', '2026-10-03T15:00Z', '2026-10-03T14:30Z', '2026-10-03T15:30Z', '2026-10-03T16:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-10-03T15:40Z', '2026-10-03T15:30Z', '2026-10-03T16:00Z', '2026-10-03T17:00Z'],
    ['day', 'Australia/Lord_Howe', '2026-04-04T15:00Z', '2026-04-04T13:00Z', '2026-04-05T13:30Z', '2026-04-06T13:30Z'],
    // Midnight is skipped: the day begins at one o'clock.
    ['day', 'America/Sao_Paulo', '2018-11-04T02:59Z', '2018-11-03T03:00Z', '2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    ['day', 'America/Sao_Paulo', '2018-11-04T03:00Z', '2018-11-04T03:00Z', '2018-11-05T02:00Z', '2018-11-06T02:00Z'],
    ['day', 'Africa/Cairo', '2026-04-24T12:00Z', '2026-04-23T22:00Z', '2026-04-24T21:00Z', '2026-04-25T21:00Z'],
    // Set back at midnight, to the day before: it goes on.
    ['day', 'America/Sao_Paulo', '2018-02-18T02:30Z', '2018-02-17T02:00Z', '2018-02-18T03:00Z', '2018-02-19T03:00Z'],
    ['day', 'Africa/Cairo', '2026-10-29T20:30Z', '2026-10-28T21:00Z', '2026-10-29T22:00Z', '2026-10-30T22:00Z'],
    // Set back to midnight: it is no second one.
    ['day', 'America/Havana', '2026-11-01T05:30Z', '2026-11-01T04:00Z', '2026-11-02T05:00Z', '2026-11-03T05:00Z'],
    // Set back over midnight: the new day goes on, though clocks show the one before.
    ['day', 'America/St_Johns', '2010-11-07T02:45Z', '2010-11-07T02:30Z', '2010-11-08T03:30Z', '2010-11-09T03:30Z'],
    ['month', 'America/Toronto', '2026-11-01T05:30Z', '2026-11-01T04:00Z', '2026-12-01T05:00Z', '2027-01-01T05:00Z'],
    // There was no 30th of December, and the week had six days.
    ['day', 'Pacific/Apia', '2011-12-30T09:59Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z'],
    ['day', 'Pacific/Apia', '2011-12-30T10:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z', '2012-01-01T10:00Z'],
    ['day', 'Pacific/Apia', '2011-12-29T00:00Z', '2011-12-28T10:00Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z'],
    ['week', 'Pacific/Apia', '2011-12-30T12:00Z', '2011-12-26T10:00Z', '2012-01-01T10:00Z', '2012-01-08T10:00Z'],
  ])('of a %s in %s that holds %s is from %s to %s', (unit, zone, moment, start, end, nextEnd) => {
    const { startUs, endUs, nextEndUs } = new CalendarWindows(unit, zone).around(Date.parse(moment) * 1_000);

    expect([startUs, endUs, nextEndUs].map(asText)).toEqual(
      [start, end, nextEnd].map((text) => new Date(text).toISOString()),
    );
  });

  it('ends to the microsecond', () => {
    const windows = new CalendarWindows('day', 'UTC');
    const midnight = Date.parse('2026-11-22T00:00Z') * 1_000;

    expect(windows.around(midnight - 1).endUs).toBe(midnight);
    expect(windows.around(midnight).startUs).toBe(midnight);
    expect(new CalendarWindows('day', 'UTC').around(midnight - 1).endUs).toBe(midnight);
  });

  it('covers time with the others, without a gap, and none overlaps', () => {
    fc.assert(
      fc.property(anyUnit(), anyZone(), anyMoment(), (unit, zone, nowUs) => {
        const windows = new CalendarWindows(unit, zone);
        const { startUs, endUs, nextEndUs } = windows.around(nowUs);

        expect(startUs).toBeLessThanOrEqual(nowUs);
        expect(endUs).toBeGreaterThan(nowUs);
        expect([startUs, endUs, nextEndUs].every(Number.isSafeInteger)).toBe(true);
        // Clocks are set back by half an hour or an hour; in the Antarctic by two, and once by three.
        expect(endUs - startUs).toBeLessThanOrEqual((LONGEST_MS[unit] + 3 * HOUR_MS) * 1_000);
        expect(nextEndUs).toBeGreaterThan(endUs);

        for (const same of [startUs, endUs - 1]) {
          expect(new CalendarWindows(unit, zone).around(same)).toEqual({ startUs, endUs, nextEndUs });
        }
        const next = new CalendarWindows(unit, zone).around(endUs);
        expect([next.startUs, next.endUs]).toEqual([endUs, nextEndUs]);
        expect(new CalendarWindows(unit, zone).around(startUs - 1).endUs).toBe(startUs);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is the same whatever was asked before', () => {
    const moments = fc.array(anyMoment(), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(anyUnit(), anyZone(), moments, (unit, zone, nows) => {
        const windows = new CalendarWindows(unit, zone);
        for (const nowUs of [...nows, ...nows.toReversed()]) {
          expect(windows.around(nowUs)).toEqual(new CalendarWindows(unit, zone).around(nowUs));
        }
      }),
    );
  });

  it('begins at midnight, where there is one', () => {
    fc.assert(
      fc.property(fc.constantFrom('day', 'week', 'month', 'year'), anyZone(), anyMoment(), (unit, zone, nowUs) => {
        const startMs = new CalendarWindows(unit, zone).around(nowUs).startUs / 1_000;
        const [date, time] = wallOf(zone, startMs);

        // Otherwise clocks have just skipped it.
        if (time !== '00:00:00') expect(wallOf(zone, startMs - 1)[0]).not.toBe(date);
        expect(labelOf(unit, wallOf(zone, startMs - 1)[0])).not.toBe(labelOf(unit, date));
      }),
      { numRuns: 500 },
    );
  });

  it.each(ZONES)('is what one sees who reads the clock of %s all the time', (zone) => {
    for (const [fromMs, toMs] of CHANGES) {
      // Every quarter of an hour, as in these years no day begins at another time.
      let latest = '';
      const starts: number[] = [];
      for (let ms = fromMs; ms < toMs; ms += HOUR_MS / 4) {
        const [date] = wallOf(zone, ms);
        if (date > latest) {
          latest = date;
          starts.push(ms);
        }
      }
      const windows = new CalendarWindows('day', zone);
      // The first was under way already.
      for (const [index, startMs] of starts.slice(1, -1).entries()) {
        const endMs = starts[index + 2]!;
        for (const ms of [startMs, startMs + HOUR_MS, endMs - 60_000]) {
          const { startUs, endUs } = windows.around(ms * 1_000);
          expect([startUs, endUs].map(asText)).toEqual([startMs * 1_000, endMs * 1_000].map(asText));
        }
      }
    }
  });

  it('is worked out once, and then a matter of two comparisons', () => {
    const windows = new CalendarWindows('day', 'Europe/Berlin');
    const first = windows.around(0);

    expect(windows.around(1)).toBe(first);
    expect(windows.around(first.endUs - 1)).toBe(first);
    expect(windows.around(first.endUs)).not.toBe(first);
  });

  it('is none in a time zone that is none', () => {
    expect(() => new CalendarWindows('day', 'Europe/Atlantis')).toThrow(RangeError);
  });
});

describe('A time zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5', 'Asia/Calcutta', 'EST5EDT'])(
    'can be %s',
    (name) => {
      expect(isTimeZone(name)).toBe(true);
    },
  );

  it.each(['', 'Europe/Atlantis', '+05:30', '-03', 'local', ' UTC', 5, null, undefined, {}])('cannot be %p', (name) => {
    expect(isTimeZone(name)).toBe(false);
  });
});

/** Weeks in which the clocks of some of the zones are set. */
const CHANGES = [
  ['2010-11-05', '2010-11-10'],
  ['2011-12-27', '2012-01-03'],
  ['2018-02-15', '2018-02-20'],
  ['2018-11-02', '2018-11-07'],
  ['2026-03-07', '2026-03-11'],
  ['2026-03-27', '2026-04-07'],
  ['2026-04-22', '2026-04-26'],
  ['2026-10-02', '2026-10-05'],
  ['2026-10-23', '2026-11-03'],
].map((dates) => dates.map((date) => Date.parse(`${date}T00:00Z`)) as [number, number]);

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** The date and the time that clocks show. */
function wallOf(zone: string, ms: number): [string, string] {
  let format = FORMATS.get(zone);
  // Swedes write dates as ISO 8601 does.
  format ??= new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
  FORMATS.set(zone, format);
  return format.format(ms).split(' ') as [string, string];
}

/** What all moments of a period have in common. */
function labelOf(unit: CalendarUnit, date: string): string {
  if (unit === 'year') return date.slice(0, 4);
  if (unit === 'month') return date.slice(0, 7);
  return unit === 'week' ? String(Math.floor((Date.parse(date) / DAY_MS + 3) / 7)) : date;
}

function asText(us: number): string {
  return new Date(us / 1_000).toISOString();
}

function anyUnit(): fc.Arbitrary<CalendarUnit> {
  return fc.constantFrom(...UNITS);
}

function anyZone(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom(...ZONES), fc.constantFrom(...Intl.supportedValuesOf('timeZone')));
}

/** From 1990 to 2090, and often in a week in which clocks are set. */
function anyMoment(): fc.Arbitrary<number> {
  const within = ([from, to]: readonly [number, number]): fc.Arbitrary<number> =>
    fc.integer({ min: from * 1_000, max: to * 1_000 });
  return fc.oneof(within([Date.UTC(1990), Date.UTC(2090)]), ...CHANGES.map(within));
}
