import { Controller, Get, Ip } from '@nestjs/common';
import type { PolicyState } from '@nuthatch/rate-limit';
import { CurrentUser } from '../login/current-user.decorator.js';
import type { DemoUser } from '../login/demo-tokens.js';
import { LimitsOfCaller } from './limits-of-caller.js';

@Controller('limits')
export class LimitsController {
  readonly #limits: LimitsOfCaller;

  constructor(limits: LimitsOfCaller) {
    this.#limits = limits;
  }

  /** What is left for whoever asks. */
  @Get('me')
  mine(@Ip() address: string | undefined, @CurrentUser() user: DemoUser | undefined): Promise<PolicyState[]> {
    return this.#limits.list(address, user);
  }
}
