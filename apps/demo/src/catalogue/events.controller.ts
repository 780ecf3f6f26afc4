import { Body, Controller, Get, Param, Patch, Query, UseInterceptors } from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { HitOrMissInterceptor } from '../http/hit-or-miss.interceptor.js';
import { invalidInput } from '../http/invalid-input.js';
import { ChangeEventBody, EventParams, FindEventsQuery } from './events.dto.js';
import type { ShopEvent } from './events.queries.js';
import { EventsService, type EventPage } from './events.service.js';

@Controller('events')
@UseInterceptors(HitOrMissInterceptor)
export class EventsController {
  readonly #events: EventsService;

  constructor(events: EventsService) {
    this.#events = events;
  }

  @Get()
  @RateLimit('search')
  findNear(@Query() query: FindEventsQuery): Promise<EventPage> {
    return this.#events.findNear(query);
  }

  @Get(':id')
  find(@Param() { id }: EventParams): Promise<ShopEvent> {
    return this.#events.find(Number(id));
  }

  @Patch(':id')
  async change(@Param() { id }: EventParams, @Body() change: ChangeEventBody): Promise<ShopEvent> {
    if (Object.values(change).every((value) => value === undefined)) {
      const message = 'the body must hold title, price or startsAt';
      throw invalidInput(...['title', 'price', 'startsAt'].map((field) => ({ field, message })));
    }
    await this.#events.change(Number(id), change);
    return this.#events.find(Number(id));
  }
}
