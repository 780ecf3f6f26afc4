import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';

/** Injection token of the environment that `DEMO_SECRET` is read from. */
export const LOGIN_ENV = Symbol('LOGIN_ENV');

/** Who has logged in. Policies `by: 'user'` look at the `id`. */
export interface DemoUser {
  readonly id: string;
}

/**
 * Signed names, so that nobody can make up a user. This stands in for a real login: a token is good for ever, or until the
 * process ends where there is no `DEMO_SECRET`.
 */
@Injectable()
export class DemoTokens {
  readonly #secret: string | Buffer;

  constructor(@Inject(LOGIN_ENV) env: NodeJS.ProcessEnv) {
    this.#secret = env['DEMO_SECRET'] || randomBytes(32);
  }

  issue({ id }: DemoUser): string {
    return `${Buffer.from(id).toString('base64url')}.${this.#sign(id).toString('base64url')}`;
  }

  /** @returns undefined for what {@link issue} has not made */
  read(token: string): DemoUser | undefined {
    const [name = '', signature = ''] = token.split('.');
    const id = Buffer.from(name, 'base64url').toString();
    const [given, right] = [Buffer.from(signature, 'base64url'), this.#sign(id)];
    return given.length === right.length && timingSafeEqual(given, right) ? { id } : undefined;
  }

  #sign(id: string): Buffer {
    return createHmac('sha256', this.#secret).update(id).digest();
  }
}
