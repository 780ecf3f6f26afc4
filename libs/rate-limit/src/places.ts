import type { ConcurrencyRule, RateLimitDriver } from './drivers/rate-limit-driver.js';
import type { LimitRequest } from './request.js';

const RENEWALS_PER_LEASE = 3;
const US_PER_MS = 1_000;

/** A place among those that may be under way at the same time. */
export interface HeldPlace {
  readonly timer: NodeJS.Timeout;
}

/** Renews the places that calls of this process hold, three times per lease, until they are freed. */
export class Places {
  readonly #held = new Set<HeldPlace>();

  hold(driver: RateLimitDriver, { charges }: LimitRequest, operation: number): HeldPlace[] {
    return charges.flatMap(({ key, rules }) =>
      rules
        .filter((rule): rule is ConcurrencyRule => rule.kind === 'concurrency')
        .map((rule) => this.#hold(driver, key, rule, operation)),
    );
  }

  free(place: HeldPlace): void {
    clearInterval(place.timer);
    this.#held.delete(place);
  }

  /** Lets go of all: each is free when its lease ends. */
  close(): void {
    for (const place of this.#held) this.free(place);
  }

  #hold(driver: RateLimitDriver, key: string, rule: ConcurrencyRule, operation: number): HeldPlace {
    const renew = (): void => {
      driver.renew(key, rule, operation).then(
        (renewed) => renewed || this.free(place),
        () => 'tried again at the next turn, as long as the lease lasts',
      );
    };
    const timer = setInterval(renew, rule.leaseUs / US_PER_MS / RENEWALS_PER_LEASE).unref();
    const place = { timer };
    this.#held.add(place);
    return place;
  }
}
