import { Transform } from 'class-transformer';
import { Matches } from 'class-validator';
import { EventParams } from '../catalogue/events.dto.js';

/** `/events/:id/seats/:seat`. */
export class SeatParams extends EventParams {
  @Transform(({ value }) => (typeof value === 'string' ? value.toUpperCase() : value))
  @Matches(/^[A-Z][1-9]\d?$/, { message: 'seat must be a row and a number, such as B7' })
  readonly seat!: string;
}
