import { createParamDecorator } from '@nestjs/common';
import type { RequestOfUser } from './known-user.guard.js';

/** The `DemoUser` who makes the request; undefined where nobody has logged in. */
export const CurrentUser: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context) => context.switchToHttp().getRequest<RequestOfUser>().user,
);
