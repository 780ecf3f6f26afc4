import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { RequestOfUser } from './known-user.guard.js';

/** Refuses whoever has not logged in. */
@Injectable()
export class LoggedInGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (context.switchToHttp().getRequest<RequestOfUser>().user) return true;
    throw new UnauthorizedException('Log in by POST /auth/login, and send its token: "Authorization: Bearer <token>".');
  }
}
