import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger, type INestApplication } from '@nestjs/common';
import {
  fence,
  FencedWriteRejectedError,
  LockBusyError,
  LockForcedError,
  LockService,
  type Lock,
} from '@nuthatch/lock';
import { SchedulerRegistry } from '@nestjs/schedule';
import { RateLimiter } from '@nuthatch/rate-limit';
import { and, eq } from 'drizzle-orm';
import { eventually, sharedTopologies } from '../../../test/harness/index.js';
import { BookingSchedule } from '../src/booking/booking.schedule.js';
import { BookingService, seatLock, type Reservation, type Ticket } from '../src/booking/booking.service.js';
import type { ListedLock } from '../src/booking/locks-operator.controller.js';
import { enterSeat, setReservation, type EnteredSeat, type Seat } from '../src/booking/seats.queries.js';
import { Till } from '../src/booking/till.js';
import type { ShopEvent } from '../src/catalogue/events.queries.js';
import { createDemoApp, type DemoOptions } from '../src/create-demo-app.js';
import { DATABASE, type Database } from '../src/database/database.js';
import { DrizzleTransactions, type Transaction } from '../src/database/drizzle-transactions.js';
import { reservations, seats as seatsTable } from '../src/database/schema.js';

const OPERATOR_TOKEN = 'a token of operators';
const OPERATOR = { 'x-operator-token': OPERATOR_TOKEN };

type Headers = Readonly<Record<string, string>>;

interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

const shops = [
  { adapter: 'express', store: 'redis' },
  { adapter: 'fastify', store: 'embedded' },
] as const;

let app: INestApplication;
let users = 0;

async function open(options: DemoOptions): Promise<INestApplication> {
  const opened = await createDemoApp({ namespace: `demo-${randomUUID()}`, cities: 100, logger: false, ...options });
  await opened.listen(0, '127.0.0.1');
  // The clock must not strike in the middle of a test.
  await Promise.all([...opened.get(SchedulerRegistry).getCronJobs().values()].map((job) => job.stop()));
  return opened;
}

async function ask<T>(
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Headers; readonly body?: object } = {},
): Promise<Answer<T>> {
  const response = await fetch((await app.getUrl()) + path, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}

/** Somebody who has reserved and paid nothing. */
async function logIn(): Promise<Headers> {
  const account = `buyer-${(users += 1)}@example.com`;
  const { body } = await ask<{ token: string }>('POST', '/auth/login', { body: { account, password: 'opensesame' } });
  return { authorization: `Bearer ${body.token}` };
}

const reserve = (seat: string, headers: Headers): Promise<Answer<Reservation>> =>
  ask('POST', `/events/7/seats/${seat}/reserve`, { headers });
const pay = (seat: string, headers: Headers): Promise<Answer<Ticket>> =>
  ask('POST', `/events/7/seats/${seat}/pay`, { headers });
const mine = async (headers: Headers): Promise<readonly Seat[]> =>
  (await ask<Seat[]>('GET', '/events/7/seats/mine', { headers })).body;
const seats = async (): Promise<readonly Seat[]> => (await ask<Seat[]>('GET', '/events/7/seats')).body;
const stateOf = async (seat: string): Promise<string | undefined> =>
  (await seats()).find((one) => one.seat === seat)?.state;

/** What operators see of the lock of a seat. */
async function listed(seat: string): Promise<ListedLock | undefined> {
  const { body } = await ask<ListedLock[]>('GET', '/locks', { headers: OPERATOR });
  return body.find(({ key }) => decodeURIComponent(key).includes(`{${seatLock(7, seat)}}`));
}

/** Who has it, or had it until it ran off. */
async function reservedBy(seat: string): Promise<string | null> {
  const database = app.get<Database>(DATABASE, { strict: false });
  const [found] = await database
    .select({ buyer: reservations.buyer })
    .from(reservations)
    .innerJoin(seatsTable, eq(seatsTable.id, reservations.seatId))
    .where(
      and(
        eq(reservations.eventId, 7),
        eq(seatsTable.row, seat.slice(0, 1)),
        eq(seatsTable.number, Number(seat.slice(1))),
      ),
    );
  return found!.buyer;
}

async function freeSeat(): Promise<string> {
  const free = (await seats()).find(({ state }) => state === 'free');
  return free!.seat;
}

/** As if ten minutes had gone by. */
async function letRunOff(seat: string): Promise<void> {
  await enterAs(await app.get(LockService).acquire(seatLock(7, seat)), seat, async (tx, { seatId }) => {
    const its = and(eq(reservations.eventId, 7), eq(reservations.seatId, seatId));
    await tx
      .update(reservations)
      .set({ until: new Date(0) })
      .where(its);
  });
}

/** Writes about a seat as whoever holds that lock, and releases it. */
async function enterAs(
  lock: Lock,
  seat: string,
  write: (tx: Transaction, entered: EnteredSeat) => Promise<void>,
): Promise<void> {
  try {
    const transactions = app.get(DrizzleTransactions, { strict: false });
    await transactions.run(async (tx) => write(tx, await enterSeat(tx, 7, seat, fence(lock))));
  } finally {
    await lock.release();
  }
}

/** As a process believes that stands still, and has not heard that its lock is lost. */
function unaware({ key, token }: Lock): Lock {
  return { key, token, assertHeld: () => undefined, release: async () => 'forced' } as unknown as Lock;
}

/** Has the transactions that begin from now on run so, one after the other; those after them as ever. */
function nextTransactions(...runs: ('as ever' | 'not' | (() => Promise<void>))[]): void {
  const transactions = app.get(DrizzleTransactions, { strict: false });
  const run = transactions.run.bind(transactions);
  const spy = jest.spyOn(transactions, 'run');
  for (const how of runs) {
    spy.mockImplementationOnce(async (work) => {
      if (how === 'not') throw new Error('The database is away.');
      const result = await run(work);
      if (how !== 'as ever') await how();
      return result;
    });
  }
}

/** What is logged as an error from now on. */
function loggedErrors(): readonly unknown[][] {
  return jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined).mock.calls;
}

interface SlowTill {
  /** The signal of the lock, when the provider is asked. */
  readonly asked: Promise<AbortSignal>;
  /** Has the provider take the money. */
  go(): void;
}

/** A provider that takes its time with the next payment. */
function slowTill(heeds: 'the signal' | 'nothing'): SlowTill {
  let go: (receipt: string) => void;
  let tell: (signal: AbortSignal) => void;
  const asked = new Promise<AbortSignal>((resolve) => (tell = resolve));
  jest.spyOn(app.get(Till, { strict: false }), 'take').mockImplementationOnce(
    (_buyer, _euros, signal) =>
      new Promise((resolve, reject) => {
        go = resolve;
        if (heeds === 'the signal') signal.addEventListener('abort', () => reject(signal.reason as Error));
        tell(signal);
      }),
  );
  return { asked, go: () => go('a receipt') };
}

describe.each(shops)('Booking in the ticket shop on $adapter, with locks in $store', ({ adapter, store }) => {
  let locks: LockService;
  let seat: string;

  beforeAll(async () => {
    const redis = store === 'redis' ? { REDIS_URL: sharedTopologies().standalone.url } : {};
    app = await open({ adapter, env: { ...redis, OPERATOR_TOKEN } });
    locks = app.get(LockService);
  }, 60_000);

  beforeEach(async () => {
    await app.get(RateLimiter).reset(['api', 'auth'], 'ip:127.0.0.1');
    seat = await freeSeat();
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  afterAll(() => app?.close());

  it('keeps a seat for ten minutes, and for longer when its buyer asks again', async () => {
    const ada = await logIn();
    const first = await reserve(seat, ada);
    expect(first).toMatchObject({ status: 201, body: { eventId: 7, seat } });
    expect(Math.abs(Date.parse(first.body.until) - Date.now() - 600_000)).toBeLessThan(5_000);
    expect(await stateOf(seat)).toBe('reserved');

    const again = await reserve(seat.toLowerCase(), ada);
    expect(again).toMatchObject({ status: 201, body: { seat } });
    expect(Date.parse(again.body.until)).toBeGreaterThan(Date.parse(first.body.until));
  });

  it('gives a seat to one of those who want it at the same time', async () => {
    const buyers = await Promise.all(Array.from({ length: 5 }, logIn));
    const answers = await Promise.all(buyers.map((buyer) => reserve(seat, buyer)));

    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
    const late = await reserve(seat, await logIn());
    expect(late).toMatchObject({ status: 409, body: { message: `Seat ${seat} is reserved by another.` } });
  });

  it('has a buyer wait while another is at the seat, and not for long', async () => {
    const buyer = await logIn();
    const lock = await locks.acquire(seatLock(7, seat));
    const waits = reserve(seat, buyer);
    await eventually('the buyer waits', async () => (await listed(seat))?.waiters.length === 1 || undefined);
    await lock.release();
    expect((await waits).status).toBe(201);

    const other = await locks.acquire(seatLock(7, seat));
    const busy = await reserve(seat, buyer);
    await other.release();
    expect(busy).toMatchObject({ status: 409, body: { message: expect.stringContaining('else is at this seat') } });
  });

  it('does not let a buyer overwrite another whose turn came after their lock was lost', async () => {
    const lost = await locks.acquire(seatLock(7, seat));
    await locks.admin.forceRelease(seatLock(7, seat));
    expect((await reserve(seat, await logIn())).status).toBe(201);

    const overwrite = enterAs(unaware(lost), seat, (tx, entered) =>
      setReservation(tx, entered, { buyer: 'eve@example.com', until: new Date(Date.now() + 600_000) }),
    );
    await expect(overwrite).rejects.toBeInstanceOf(FencedWriteRejectedError);
    const known = enterAs(lost, seat, async () => undefined);
    await expect(known).rejects.toBeInstanceOf(LockForcedError);
    expect(await reservedBy(seat)).toMatch(/^buyer-/);
  });

  it('does not let a buyer write after another has looked at the seat, though that one wrote nothing', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const lost = await locks.acquire(seatLock(7, seat));
    await locks.admin.forceRelease(seatLock(7, seat));
    expect((await reserve(seat, await logIn())).status).toBe(409);
    await enterAs(await locks.acquire(seatLock(7, seat)), seat, async () => undefined);

    const overwrite = enterAs(unaware(lost), seat, async () => undefined);
    await expect(overwrite).rejects.toMatchObject({ code: 'LOCK_FENCED', token: lost.token });
  });

  it('sells a seat to whoever has reserved it, and shows at once that it is gone', async () => {
    const [ada, bob] = [await logIn(), await logIn()];
    const event = (): Promise<Answer<ShopEvent>> => ask('GET', '/events/7');
    const { price, seatsLeft } = (await event()).body;
    expect(await pay(seat, ada)).toMatchObject({
      status: 409,
      body: { message: `Seat ${seat} is not reserved by you. Reserve it first.` },
    });
    await reserve(seat, ada);
    expect((await pay(seat, bob)).status).toBe(409);

    expect(await pay(seat, ada)).toEqual({
      status: 201,
      body: { eventId: 7, seat, price, receipt: expect.any(String) },
    });
    expect(await stateOf(seat)).toBe('sold');
    expect((await event()).body.seatsLeft).toBe(seatsLeft - 1);
    expect((await pay(seat, ada)).status).toBe(409);
    expect(await reserve(seat, bob)).toMatchObject({ status: 409, body: { message: `Seat ${seat} is sold.` } });
  });

  it('tries twice to get at a seat that is to be paid', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const tries = jest.spyOn(locks, 'acquire');
    tries.mockRejectedValueOnce(new LockBusyError(seatLock(7, seat), { waitedMs: 5_000, position: 1 }));

    expect((await pay(seat, ada)).status).toBe(201);
    expect(tries).toHaveBeenCalledTimes(2);
  });

  it('stops a payment whose lock an operator takes away, and has the seat go on to who waits', async () => {
    const [ada, bob] = [await logIn(), await logIn()];
    await reserve(seat, ada);
    const till = slowTill('the signal');
    const paying = pay(seat, ada);
    const signal = await till.asked;
    const waiting = reserve(seat, bob);
    await eventually('Bob waits', async () => (await listed(seat))?.waiters.length === 1 || undefined);

    const { key, holders } = (await listed(seat))!;
    expect(holders).toMatchObject([{ pid: process.pid, token: expect.stringMatching(/^\d{16}$/) }]);
    expect(await ask('POST', '/locks/release', { headers: OPERATOR, body: { key } })).toEqual({
      status: 200,
      body: { released: 1 },
    });

    expect(await paying).toMatchObject({ status: 409, body: { message: expect.stringContaining('took too long') } });
    expect(signal.reason).toBeInstanceOf(LockForcedError);
    expect(await waiting).toMatchObject({ status: 409, body: { message: `Seat ${seat} is reserved by another.` } });
  });

  it('gives the money back when the lock was lost while the provider took it', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const back = jest.spyOn(app.get(Till, { strict: false }), 'giveBack');
    const till = slowTill('nothing');
    const paying = pay(seat, ada);
    const signal = await till.asked;
    await locks.admin.forceRelease(seatLock(7, seat));
    await eventually('the payment is told', async () => signal.aborted || undefined);
    till.go();

    expect((await paying).status).toBe(409);
    expect(back.mock.calls).toEqual([['a receipt']]);
    expect(await stateOf(seat)).toBe('reserved');
    expect((await pay(seat, ada)).status).toBe(201);
  });

  it('tells a buyer where to look whose lock was lost after their seat was reserved', async () => {
    const ada = await logIn();
    nextTransactions(async () => void (await locks.admin.forceRelease(seatLock(7, seat))));

    const { status, body } = await ask<{ message: string }>('POST', `/events/7/seats/${seat}/reserve`, {
      headers: ada,
    });
    expect(status).toBe(409);
    expect(body.message).toMatch(/is not certain: look at your seats with GET \S+ before you try again\.$/);
    const [, method, path] = /(GET) (\S+)/.exec(body.message)!;
    expect(await ask(method!, path!, { headers: ada })).toEqual({ status: 200, body: [{ seat, state: 'reserved' }] });
    expect(await mine(await logIn())).toEqual([]);
  });

  it('has a buyer whom a later one has overtaken try again', async () => {
    const ada = await logIn();
    jest
      .spyOn(app.get(DrizzleTransactions, { strict: false }), 'run')
      .mockRejectedValueOnce(new FencedWriteRejectedError({ key: seatLock(7, seat), token: 1n, target: 'A row' }));

    const message = 'It took too long, and another has been at this seat. Try again.';
    expect(await reserve(seat, ada)).toMatchObject({ status: 409, body: { message } });
    expect((await reserve(seat, ada)).status).toBe(201);
  });

  it('keeps the money for a seat that is sold, though the database did not answer to the commit', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const { seatsLeft } = (await ask<ShopEvent>('GET', '/events/7')).body;
    const back = jest.spyOn(app.get(Till, { strict: false }), 'giveBack');
    nextTransactions('as ever', () => Promise.reject(new Error('The connection was lost.')));

    expect(await pay(seat, ada)).toMatchObject({ status: 201, body: { seat, receipt: expect.any(String) } });
    expect(back).not.toHaveBeenCalled();
    expect(await mine(ada)).toEqual([{ seat, state: 'sold' }]);
    expect((await ask<ShopEvent>('GET', '/events/7')).body.seatsLeft).toBe(seatsLeft - 1);
  });

  it('gives the money back when the seat was sold, but to another', async () => {
    const [ada, bob] = [await logIn(), await logIn()];
    await reserve(seat, ada);
    const back = jest.spyOn(app.get(Till, { strict: false }), 'giveBack');
    const till = slowTill('nothing');
    const paying = pay(seat, ada);
    await till.asked;
    await locks.admin.forceRelease(seatLock(7, seat));
    await letRunOff(seat);
    await reserve(seat, bob);
    expect((await pay(seat, bob)).status).toBe(201);
    till.go();

    expect((await paying).status).toBe(409);
    expect(back.mock.calls).toEqual([['a receipt']]);
    expect(await mine(ada)).toEqual([]);
  });

  it('tells why a seat was not sold, and logs the receipt, when the money cannot be given back', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const till = slowTill('nothing');
    jest.spyOn(app.get(Till, { strict: false }), 'giveBack').mockRejectedValueOnce(new Error('The provider is away.'));
    const errors = loggedErrors();
    const paying = pay(seat, ada);
    const signal = await till.asked;
    await locks.admin.forceRelease(seatLock(7, seat));
    await eventually('the payment is told', async () => signal.aborted || undefined);
    till.go();

    expect(await paying).toMatchObject({ status: 409, body: { message: expect.stringContaining('took too long') } });
    expect(errors).toEqual([[expect.stringMatching(/a receipt .* not given back.* The provider is away\./)]]);
  });

  it('keeps the money, and logs the receipt, when it cannot be read whether the seat was sold', async () => {
    const ada = await logIn();
    await reserve(seat, ada);
    const back = jest.spyOn(app.get(Till, { strict: false }), 'giveBack');
    const till = slowTill('nothing');
    const errors = loggedErrors();
    nextTransactions('as ever', 'as ever', 'not');
    const paying = pay(seat, ada);
    const signal = await till.asked;
    await locks.admin.forceRelease(seatLock(7, seat));
    await eventually('the payment is told', async () => signal.aborted || undefined);
    till.go();

    expect(await paying).toMatchObject({ status: 409, body: { message: expect.stringContaining('took too long') } });
    expect(errors).toEqual([[expect.stringMatching(/a receipt .* could not be read.* The database is away\./)]]);
    expect(back).not.toHaveBeenCalled();
  });

  describe('each minute', () => {
    it('frees the seats that were not paid in time, in one instance of the shop', async () => {
      const booking = app.get(BookingService, { strict: false });
      const schedule = app.get(BookingSchedule, { strict: false });
      const releasing = jest.spyOn(booking, 'releaseStale');
      await reserve(seat, await logIn());
      await letRunOff(seat);

      await Promise.all([schedule.release(), schedule.release()]);
      await schedule.release();

      expect(releasing).toHaveBeenCalledTimes(1);
      expect(await releasing.mock.results[0]!.value).toBe(1);
      expect(await reservedBy(seat)).toBeNull();
      expect(app.get(SchedulerRegistry).getCronJobs().size).toBe(2);
    });

    it('leaves a seat alone that is reserved, or that its buyer is at', async () => {
      const booking = app.get(BookingService, { strict: false });
      const { signal } = new AbortController();
      await reserve(seat, await logIn());
      expect(await booking.releaseStale(signal)).toBe(0);
      await letRunOff(seat);
      const lock = await locks.acquire(seatLock(7, seat));
      expect(await booking.releaseStale(signal)).toBe(0);
      await lock.release();
      expect(await booking.releaseStale(signal)).toBe(1);
    });

    it('stops when its lock is lost', async () => {
      await reserve(seat, await logIn());
      await letRunOff(seat);
      const booking = app.get(BookingService, { strict: false });
      await expect(booking.releaseStale(AbortSignal.abort('lost'))).rejects.toBe('lost');
      expect(await reservedBy(seat)).toMatch(/^buyer-/);
      await booking.releaseStale(new AbortController().signal);
    });
  });

  it.each([
    ['POST', '/events/none/seats/A1/reserve', 400],
    ['POST', '/events/7/seats/17/reserve', 400],
    ['POST', '/events/7/seats/Z99/reserve', 404],
    ['POST', '/events/999999/seats/A1/reserve', 404],
    ['POST', '/events/999999/seats/A1/pay', 404],
    ['GET', '/events/999999/seats', 404],
    ['GET', '/events/0/seats', 400],
  ])('answers %s %s with %i', async (method, path, status) => {
    expect(await ask(method, path, { headers: await logIn() })).toMatchObject({ status });
  });

  it('is for those who have logged in', async () => {
    expect((await reserve(seat, {})).status).toBe(401);
    expect((await pay(seat, {})).status).toBe(401);
    expect((await ask('GET', '/events/7/seats/mine')).status).toBe(401);
  });

  it('shows locks to operators only', async () => {
    expect((await ask('GET', '/locks')).status).toBe(401);
    expect((await ask('POST', '/locks/release', { body: { name: seatLock(7, seat) } })).status).toBe(401);
    expect(await ask('GET', '/locks', { headers: OPERATOR })).toMatchObject({ status: 200 });
    expect(await ask('POST', '/locks/release', { headers: OPERATOR, body: {} })).toMatchObject({
      status: 400,
      body: { fields: ['key'] },
    });
    expect(await ask('POST', '/locks/release', { headers: OPERATOR, body: { key: seatLock(7, seat) } })).toMatchObject({
      status: 400,
      body: { fields: ['key'], message: [expect.stringContaining('does not begin with')] },
    });
    const free = { headers: OPERATOR, body: { name: seatLock(7, seat) } };
    expect((await ask('POST', '/locks/release', free)).body).toEqual({ released: 0 });
  });
});

describe('Booking in a ticket shop whose Redis is away', () => {
  beforeAll(async () => {
    app = await open({ env: { REDIS_URL: 'redis://127.0.0.1:1', OPERATOR_TOKEN } });
  }, 60_000);

  afterAll(() => app?.close());

  it('is not possible for now: no seat is sold twice', async () => {
    const ada = await logIn();
    const seat = await freeSeat();
    expect((await reserve(seat, ada)).status).toBe(503);
    expect((await pay(seat, ada)).status).toBe(503);
    expect(await stateOf(seat)).toBe('free');
    expect((await ask('GET', '/locks', { headers: OPERATOR })).status).toBe(503);
  });
});
