import { randomUUID } from 'node:crypto';
import type { LeaseKind } from '../drivers/cache-driver.js';
import type { RedisTrouble } from '../outage/redis-trouble.js';
import type { SharedTier } from '../shared/shared-tier.js';

/** A process that dies frees its keys after this long. */
export const LEASE_MS = 5_000;
/** A load that takes longer keeps its result to its callers. */
const KEPT_MS = 60_000;

/** The right to be the one who loads a key. */
export interface Lease {
  readonly token: string;
  readonly kind: LeaseKind;
  /** For a refresh, the version that it replaces. */
  readonly version: string | undefined;
}

/** Prolongs a lease while its load runs. Returns the function that ends it. */
export function keepLease(shared: SharedTier, name: string, { token, kind }: Lease): () => void {
  const endsAt = performance.now() + KEPT_MS;
  const timer = setInterval(() => {
    if (performance.now() > endsAt) return clearInterval(timer);
    // One that has been lost stays lost: what was written since wins, and the fill will find that out.
    shared.run((driver) => driver.renew(name, token, kind, LEASE_MS)).catch(() => 'tried again at the next turn');
  }, LEASE_MS / 3).unref();
  return () => clearInterval(timer);
}

const ATTEMPTS = 8;

/** Takes leases that no load has asked for, and gives leases back. */
export class Leases {
  readonly #id = randomUUID();
  #count = 0;

  constructor(
    private readonly shared: SharedTier,
    private readonly trouble: RedisTrouble,
  ) {}

  /** With a count: a UUID for each would cost more than the rest of a hit in process. */
  newToken(): string {
    return `${this.#id}:${++this.#count}`;
  }

  /**
   * The right to replace what is there, whatever it is, as long as nobody else does; a load that is under way is voided.
   * Undefined while Redis is away.
   */
  async takeOver(name: string): Promise<Lease | undefined> {
    const token = this.newToken();
    try {
      return await this.shared.run(async (driver) => {
        for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
          const [header] = await driver.headers([name]);
          if (header && header.version !== '') return { token, kind: 'refresh', version: header.version };
          const { state } = await driver.lease(name, token, LEASE_MS, header?.version);
          if (state === 'granted') return { token, kind: 'placeholder', version: undefined };
          if (state === 'busy') await driver.delete([name]);
        }
        return undefined;
      });
    } catch (error) {
      if (!this.trouble.isCause(error)) throw error;
      return undefined;
    }
  }

  async giveBack(name: string, { token, kind }: Lease): Promise<void> {
    try {
      await this.shared.run((driver) => driver.abandon(name, token, kind));
    } catch (error) {
      if (!this.trouble.isCause(error)) throw error;
    }
  }
}
