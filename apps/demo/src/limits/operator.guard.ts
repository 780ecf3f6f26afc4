import { createHash, timingSafeEqual } from 'node:crypto';
import {
  Inject,
  Injectable,
  NotFoundException,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import type { RequestOfUser } from '../login/known-user.guard.js';

/** Injection token of the environment that `OPERATOR_TOKEN` is read from. */
export const OPERATOR_ENV = Symbol('OPERATOR_ENV');

/** Lets those in who send `X-Operator-Token`. Without `OPERATOR_TOKEN` there are no operators, and nothing to be found. */
@Injectable()
export class OperatorGuard implements CanActivate {
  readonly #token: string | undefined;

  constructor(@Inject(OPERATOR_ENV) env: NodeJS.ProcessEnv) {
    this.#token = env['OPERATOR_TOKEN'] || undefined;
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.#token === undefined) throw new NotFoundException();
    const { headers } = context.switchToHttp().getRequest<RequestOfUser>();
    if (timingSafeEqual(digest(String(headers['x-operator-token'])), digest(this.#token))) return true;
    throw new UnauthorizedException('Send the token of the operator: "X-Operator-Token: <token>".');
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
