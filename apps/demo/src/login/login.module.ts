import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthController } from './auth.controller.js';
import { DemoTokens, LOGIN_ENV } from './demo-tokens.js';
import { KnownUserGuard } from './known-user.guard.js';

/**
 * Who asks. Import it before RateLimitModule: guards run in the order of their modules, and where the user is known first,
 * policies by user are decided together with all others.
 */
@Module({})
export class LoginModule {
  static forRoot(env: NodeJS.ProcessEnv = process.env): DynamicModule {
    return {
      module: LoginModule,
      controllers: [AuthController],
      providers: [{ provide: LOGIN_ENV, useValue: env }, DemoTokens, { provide: APP_GUARD, useClass: KnownUserGuard }],
    };
  }
}
