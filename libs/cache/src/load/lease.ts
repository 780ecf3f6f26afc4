import type { LeaseKind } from '../drivers/cache-driver.js';
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
