import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';

/** The shop window: which events there are, where, and for how much. */
@Module({ controllers: [EventsController], providers: [EventsService], exports: [EventsService] })
export class CatalogueModule {}
