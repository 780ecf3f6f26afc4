import { Length, Matches } from 'class-validator';

/** The body of `POST /auth/login`. */
export class LoginBody {
  @Length(3, 120)
  @Matches(/^[^\s@]+@[^\s@]+$/, { message: 'account must be a mail address, such as ada@example.com' })
  readonly account!: string;

  @Length(1, 120)
  readonly password!: string;
}

/** The body of `POST /auth/biometric`. */
export class BiometricBody {
  @Length(1, 200)
  readonly fingerprint!: string;
}
