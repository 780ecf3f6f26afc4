import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { DemoTokens, type DemoUser } from './demo-tokens.js';

/** What a request of Express or Fastify has, once {@link KnownUserGuard} has seen it. */
export interface RequestOfUser {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  user?: DemoUser;
}

const BEARER = /^Bearer (\S+)$/i;

/** Puts whoever has logged in on the request, and lets everybody through. */
@Injectable()
export class KnownUserGuard implements CanActivate {
  readonly #tokens: DemoTokens;

  constructor(tokens: DemoTokens) {
    this.#tokens = tokens;
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<RequestOfUser>();
    const token = BEARER.exec(String(request.headers['authorization'] ?? ''))?.[1];
    const user = token === undefined ? undefined : this.#tokens.read(token);
    if (user) request.user = user;
    return true;
  }
}
