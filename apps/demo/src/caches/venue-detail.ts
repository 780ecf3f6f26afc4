import { IsInt, IsString, Min } from 'class-validator';

/** A venue as the shop shows it. */
export class VenueDetail {
  @IsInt()
  readonly id!: number;

  @IsString()
  readonly name!: string;

  @IsString()
  readonly city!: string;

  @IsInt()
  @Min(1)
  readonly seats!: number;
}
