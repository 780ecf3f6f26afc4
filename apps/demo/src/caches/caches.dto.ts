import { IsInt, Length, Matches, Max, Min } from 'class-validator';

/** `/customers/:id`, `/carts/:id`. */
export class CustomerParams {
  @Matches(/^[1-9]\d{0,8}$/, { message: 'id must be the number of a customer, such as 7' })
  readonly id!: string;
}

/** `/cities/:city/venues`. */
export class CityParams {
  @Length(1, 80)
  @Matches(/^\P{Cc}*\p{L}\P{Cc}*$/u, { message: 'city must be the name of a city, such as Lisbon' })
  readonly city!: string;
}

/** The body of `PUT /carts/:id`. */
export class CartBody {
  @IsInt()
  @Min(1)
  @Max(999_999_999)
  readonly eventId!: number;

  @IsInt()
  @Min(1)
  @Max(20)
  readonly seats!: number;
}
