import { Controller, Get, Query, UseInterceptors } from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { HitOrMissInterceptor } from '../http/hit-or-miss.interceptor.js';
import { SearchQuery } from './search.dto.js';
import type { FoundVenue } from './search.queries.js';
import { SearchService } from './search.service.js';

@Controller('search')
@UseInterceptors(HitOrMissInterceptor)
@RateLimit('search')
export class SearchController {
  readonly #search: SearchService;

  constructor(search: SearchService) {
    this.#search = search;
  }

  @Get()
  venues(@Query() { text }: SearchQuery): Promise<readonly FoundVenue[]> {
    return this.#search.venues(text);
  }
}
