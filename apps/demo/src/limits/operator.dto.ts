import { Type } from 'class-transformer';
import { IsIn, IsInt, Length, Max, Min, ValidateIf } from 'class-validator';
import { LIMIT_NAMES, type LimitName } from './limits.js';

/** `/limits/:policy`. */
export class PolicyParams {
  @IsIn(LIMIT_NAMES)
  readonly policy!: LimitName;
}

/** `?count=10`. */
export class TopQuery {
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  readonly count: number = 10;
}

/** The body of `POST /limits/:policy/reset`. */
export class ResetBody {
  /** As `GET /limits/:policy/top` shows it, such as `ip:192.0.2.1`, `user:ada@example.com`. */
  @Length(1, 256)
  readonly subject!: string;
}

/** The body of `PUT /limits/:policy/override`. */
export class OverrideBody {
  /** Null: that of the options again. */
  @ValidateIf((_object, value) => value !== null)
  @IsInt()
  @Min(1)
  @Max(1_000_000_000)
  readonly limit!: number | null;

  /** Absent: everybody. */
  @ValidateIf((_object, value) => value !== undefined)
  @Length(1, 256)
  readonly subject?: string;

  /** Who sets it, or why. */
  @ValidateIf((_object, value) => value !== undefined)
  @Length(1, 200)
  readonly note?: string;
}
