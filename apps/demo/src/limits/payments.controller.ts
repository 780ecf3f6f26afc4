import { randomUUID } from 'node:crypto';
import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { EventsService } from '../catalogue/events.service.js';
import { CurrentUser } from '../login/current-user.decorator.js';
import type { DemoUser } from '../login/demo-tokens.js';
import { LoggedInGuard } from '../login/logged-in.guard.js';
import { PaymentBody } from './limited.dto.js';

export interface Payment {
  readonly id: string;
  readonly payer: string;
  readonly eventId: number;
  /** In euros. */
  readonly total: number;
}

@Controller('payments')
@UseGuards(LoggedInGuard)
export class PaymentsController {
  readonly #events: EventsService;

  constructor(events: EventsService) {
    this.#events = events;
  }

  /** Takes no money. */
  @Post()
  @RateLimit('payment')
  async pay(@CurrentUser() { id: payer }: DemoUser, @Body() { eventId, seats }: PaymentBody): Promise<Payment> {
    const { price } = await this.#events.find(eventId);
    return { id: randomUUID(), payer, eventId, total: price * seats };
  }
}
