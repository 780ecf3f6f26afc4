import { Body, Controller, HttpCode, Post, UnauthorizedException, UseGuards } from '@nestjs/common';
import { RateLimit } from '@nuthatch/rate-limit';
import { accountName } from './account-name.js';
import { BiometricBody, LoginBody } from './auth.dto.js';
import { CurrentUser } from './current-user.decorator.js';
import { DemoTokens, type DemoUser } from './demo-tokens.js';
import { LoggedInGuard } from './logged-in.guard.js';

/** Opens every account of this shop, which has none. */
const PASSWORD = 'opensesame';

/** Stands in for a real login: what matters here are its limits. */
@Controller('auth')
export class AuthController {
  readonly #tokens: DemoTokens;

  constructor(tokens: DemoTokens) {
    this.#tokens = tokens;
  }

  @Post('login')
  @HttpCode(200)
  @RateLimit('auth')
  logIn(@Body() { account, password }: LoginBody): { readonly token: string } {
    if (password !== PASSWORD) throw new UnauthorizedException('The account or the password is wrong.');
    return { token: this.#tokens.issue({ id: accountName(account) }) };
  }

  /** A second look at who has logged in, as before a payment. A real one checks an assertion of WebAuthn. */
  @Post('biometric')
  @HttpCode(200)
  @UseGuards(LoggedInGuard)
  @RateLimit('biometric')
  recognise(@CurrentUser() user: DemoUser, @Body() { fingerprint }: BiometricBody): { readonly recognised: string } {
    if (fingerprint !== `fingerprint of ${user.id}`) throw new UnauthorizedException('Nobody was recognised.');
    return { recognised: user.id };
  }
}
