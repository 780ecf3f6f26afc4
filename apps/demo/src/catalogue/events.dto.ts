import { Type } from 'class-transformer';
import { IsInt, IsISO8601, IsNumber, IsString, Length, Matches, Max, Min, ValidateIf } from 'class-validator';

const ONE_LINE = /^\P{Cc}*$/u;
const ONE_LINE_WITH_A_LETTER = /^\P{Cc}*\p{L}\P{Cc}*$/u;

/** `?near=Lisbon&radius=50km`. */
export class FindEventsQuery {
  @Length(1, 80)
  @Matches(ONE_LINE_WITH_A_LETTER, { message: 'near must be the name of a city, such as Lisbon' })
  readonly near!: string;

  /** Tells Lisbon in Portugal from Lisbon in Ohio; without it the largest city of that name is meant. */
  @Given()
  @Matches(/^[a-z]{2}$/i, { message: 'country must be a code of two letters, such as PT' })
  readonly country?: string;

  @Matches(/^([1-9]\d?|[1-4]\d\d|500)km$/, { message: 'radius must be from 1km to 500km, such as 50km' })
  readonly radius: string = '50km';

  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  readonly limit: number = 20;

  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(500)
  readonly page: number = 1;
}

/** `/events/:id`. */
export class EventParams {
  @Matches(/^[1-9]\d{0,8}$/, { message: 'id must be the number of an event, such as 42' })
  readonly id!: string;
}

/** The body of `PATCH /events/:id`: one of these or several. */
export class ChangeEventBody {
  @Given()
  @IsString()
  @Length(1, 120)
  @Matches(/\S/, { message: 'title must not be blank' })
  @Matches(ONE_LINE, { message: 'title must be one line of text' })
  readonly title?: string;

  /** In euros. */
  @Given()
  @IsNumber({ maxDecimalPlaces: 2 }, { message: 'price must be a number with at most two decimals, such as 12.5' })
  @Min(0)
  @Max(9999)
  readonly price?: number;

  @Given()
  @IsISO8601({ strict: true }, { message: 'startsAt must be a date that exists' })
  @Matches(/^20\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/, {
    message: 'startsAt must be a time with its zone, such as 2030-05-17T20:00:00Z',
  })
  readonly startsAt?: string;
}

/** Lets a field be absent. Unlike `@IsOptional()` it does not let it be null. */
function Given(): PropertyDecorator {
  return ValidateIf((_object, value) => value !== undefined);
}
