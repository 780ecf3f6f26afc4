import { IsInt, IsString, Length, Matches, Max, Min } from 'class-validator';

/** The body of `POST /payments`. */
export class PaymentBody {
  @IsInt()
  @Min(1)
  @Max(999_999_999)
  readonly eventId!: number;

  @IsInt()
  @Min(1)
  @Max(20)
  readonly seats!: number;
}

/** The body of `POST /chat/messages`. */
export class MessageBody {
  @IsString()
  @Length(1, 500)
  @Matches(/\S/, { message: 'text must not be blank' })
  readonly text!: string;
}
