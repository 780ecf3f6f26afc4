import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';
import { SearchController } from './search.controller.js';
import { SearchService } from './search.service.js';

/** The shop window: which events there are, where, and for how much. */
@Module({
  controllers: [EventsController, SearchController],
  providers: [EventsService, SearchService],
  exports: [EventsService],
})
export class CatalogueModule {}
