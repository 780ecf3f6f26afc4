import { Controller, Get, Param, Post, UseFilters, UseGuards } from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { EventParams } from '../catalogue/events.dto.js';
import { CurrentUser } from '../login/current-user.decorator.js';
import type { DemoUser } from '../login/demo-tokens.js';
import { LoggedInGuard } from '../login/logged-in.guard.js';
import { SeatParams } from './booking.dto.js';
import { BookingService, type Reservation, type Ticket } from './booking.service.js';
import { LockErrorsFilter } from './lock-errors.filter.js';
import type { Seat } from './seats.queries.js';

@Controller('events/:id/seats')
@UseFilters(LockErrorsFilter)
export class BookingController {
  readonly #booking: BookingService;

  constructor(booking: BookingService) {
    this.#booking = booking;
  }

  @Get()
  seats(@Param() { id }: EventParams): Promise<readonly Seat[]> {
    return this.#booking.seats(Number(id));
  }

  /** Those that the buyer has reserved or bought. */
  @Get('mine')
  @UseGuards(LoggedInGuard)
  mine(@Param() { id }: EventParams, @CurrentUser() { id: buyer }: DemoUser): Promise<readonly Seat[]> {
    return this.#booking.seatsOf(Number(id), buyer);
  }

  @Post(':seat/reserve')
  @UseGuards(LoggedInGuard)
  reserve(@Param() { id, seat }: SeatParams, @CurrentUser() { id: buyer }: DemoUser): Promise<Reservation> {
    return this.#booking.reserve(Number(id), seat, buyer);
  }

  @Post(':seat/pay')
  @UseGuards(LoggedInGuard)
  @RateLimit('payment')
  pay(@Param() { id, seat }: SeatParams, @CurrentUser() { id: buyer }: DemoUser): Promise<Ticket> {
    return this.#booking.pay(Number(id), seat, buyer);
  }
}
