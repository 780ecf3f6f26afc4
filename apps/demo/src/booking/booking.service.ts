import { ConflictException, Inject, Injectable, Logger, NotFoundException } from '@nestjs/common';
import { CacheInvalidate } from '@nuthatch/cache';
import { currentLock, fence, LockService, WithLock, type Lock } from '@nuthatch/lock';
import { EventsService } from '../catalogue/events.service.js';
import { DATABASE, type Database } from '../database/database.js';
import { DrizzleTransactions } from '../database/drizzle-transactions.js';
import { orders } from '../database/schema.js';
import { acquire, LOCKS } from './lock-presets.js';
import { enterSeat, findStale, isSold, listSeats, setReservation, type Seat } from './seats.queries.js';
import { Till } from './till.js';

export interface Reservation {
  readonly eventId: number;
  readonly seat: string;
  /** ISO 8601, UTC. */
  readonly until: string;
}

export interface Ticket {
  readonly eventId: number;
  readonly seat: string;
  /** In euros. */
  readonly price: number;
  readonly receipt: string;
}

/** A seat, and the money that was taken for it. */
interface Sale {
  readonly seat: string;
  readonly buyer: string;
  readonly receipt: string;
}

const RESERVED_MS = 10 * 60_000;

/** The name of the lock of a seat: whoever changes who has it holds this. */
export function seatLock(eventId: number, seat: string): string {
  return `seat:${eventId}:${seat}`;
}

/**
 * Who has which seat. A lock lets one buyer at a time decide about a seat, and the fence in its row refuses whoever has lost the
 * lock without knowing.
 */
@Injectable()
export class BookingService {
  readonly #database: Database;
  readonly #transactions: DrizzleTransactions;
  readonly #events: EventsService;
  readonly #locks: LockService;
  readonly #till: Till;
  readonly #logger = new Logger('Booking');

  constructor(
    @Inject(DATABASE) database: Database,
    transactions: DrizzleTransactions,
    events: EventsService,
    locks: LockService,
    till: Till,
  ) {
    this.#database = database;
    this.#transactions = transactions;
    this.#events = events;
    this.#locks = locks;
    this.#till = till;
  }

  /** @throws NotFoundException when there is no such event. */
  async seats(eventId: number): Promise<Seat[]> {
    const seats = await listSeats(this.#database, eventId, new Date());
    if (seats.length === 0) throw new NotFoundException(`There is no event ${eventId}.`);
    return seats;
  }

  /** Those that a buyer has reserved or bought; none when there is no such event. */
  seatsOf(eventId: number, buyer: string): Promise<Seat[]> {
    return listSeats(this.#database, eventId, new Date(), buyer);
  }

  /**
   * Keeps a seat for a buyer for ten minutes, from now on if it is theirs already.
   *
   * @throws ConflictException when it is sold, or another has it; NotFoundException; the errors of locks. After a LockLostError
   *   the buyer may have the seat: the lock can be lost between the commit and its release
   */
  @WithLock(seatLock, LOCKS.quick.options)
  async reserve(eventId: number, seat: string, buyer: string): Promise<Reservation> {
    const until = new Date(Date.now() + RESERVED_MS);
    await this.#transactions.run(async (tx) => {
      const entered = await enterSeat(tx, eventId, seat, fence(currentLock()));
      if (entered.sold) throw new ConflictException(`Seat ${seat} is sold.`);
      if ((entered.buyer ?? buyer) !== buyer) throw new ConflictException(`Seat ${seat} is reserved by another.`);
      await setReservation(tx, entered, { buyer, until });
    });
    return { eventId, seat, until: until.toISOString() };
  }

  /**
   * Sells a seat to whoever has reserved it. The lock is held while the provider is asked; if it is lost meanwhile, the seat is not
   * sold, and the money is given back.
   *
   * @throws ConflictException when it is not reserved by the buyer; NotFoundException; the errors of locks
   */
  async pay(eventId: number, seat: string, buyer: string): Promise<Ticket> {
    const { price } = await this.#events.find(eventId);
    await using lock = await acquire(this.#locks, seatLock(eventId, seat), LOCKS.payment);
    await this.#transactions.run(async (tx) => {
      requireBuyer(await enterSeat(tx, eventId, seat, fence(lock)), seat, buyer);
    });
    const receipt = await this.#till.take(buyer, price, lock.signal);
    await this.sell(eventId, { seat, buyer, receipt }, lock);
    return { eventId, seat, price, receipt };
  }

  /**
   * Sells a seat that is paid for, or gives the money back.
   *
   * @throws ConflictException when the seat is not reserved by the buyer any more; FencedWriteRejectedError; LockLostError
   */
  @CacheInvalidate<BookingService['sell']>({ keys: (eventId) => [['event', eventId]], when: 'after-commit' })
  async sell(eventId: number, sale: Sale, lock: Lock): Promise<void> {
    const { seat, buyer, receipt } = sale;
    try {
      await this.#transactions.run(async (tx) => {
        const entered = await enterSeat(tx, eventId, seat, fence(lock));
        requireBuyer(entered, seat, buyer);
        await tx.insert(orders).values({ eventId, seatId: entered.seatId, buyer, receipt });
        await setReservation(tx, entered, undefined);
      });
    } catch (error) {
      if (!(await this.#settle(eventId, sale))) throw error;
      // The answer to a COMMIT can be lost: then the seat is sold all the same.
      this.#logger.warn(`Seat ${seat} of event ${eventId} is sold, though its sale has failed. ${String(error)}`);
    }
  }

  /**
   * Reads whether a seat is sold, and gives the money back when it is certain that it is not. Never rejects: what failed first is
   * for the buyer, and what fails here is logged.
   *
   * @returns whether it is sold
   */
  async #settle(eventId: number, { seat, receipt }: Sale): Promise<boolean> {
    const what = `receipt ${receipt} for seat ${seat} of event ${eventId}`;
    try {
      if (await this.#transactions.run((tx) => isSold(tx, eventId, seat, receipt))) return true;
    } catch (error) {
      const advice = 'Its money is kept: give it back if there is no order with it.';
      this.#logger.error(`Whether there is a sale with ${what} could not be read. ${advice} ${String(error)}`);
      return false;
    }
    try {
      await this.#till.giveBack(receipt);
    } catch (error) {
      this.#logger.error(`The money of ${what} is not given back, and the seat is not sold for it. ${String(error)}`);
    }
    return false;
  }

  /**
   * Frees the seats that were not paid in time.
   *
   * @param signal ends it after the seat that it is at
   * @returns how many there were
   */
  async releaseStale(signal: AbortSignal): Promise<number> {
    let released = 0;
    for (const { eventId, seat } of await findStale(this.#database, new Date())) {
      signal.throwIfAborted();
      if (await this.#releaseIfStale(eventId, seat)) released += 1;
    }
    return released;
  }

  async #releaseIfStale(eventId: number, seat: string): Promise<boolean> {
    await using lock = await this.#locks.tryAcquire(seatLock(eventId, seat), { ttl: LOCKS.standard.options.ttl });
    // Its buyer is about to pay or to reserve it again.
    if (!lock) return false;
    // Awaited here: the lock is released when this function is left.
    return await this.#transactions.run(async (tx) => {
      const entered = await enterSeat(tx, eventId, seat, fence(lock));
      if (entered.buyer !== undefined) return false;
      await setReservation(tx, entered, undefined);
      return true;
    });
  }
}

function requireBuyer({ buyer, sold }: { buyer: string | undefined; sold: boolean }, seat: string, who: string): void {
  if (sold || buyer !== who) throw new ConflictException(`Seat ${seat} is not reserved by you. Reserve it first.`);
}
