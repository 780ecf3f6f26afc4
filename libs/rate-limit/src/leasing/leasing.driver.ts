import type {
  Charge,
  ConcurrencyRule,
  Decision,
  RateLimitDriver,
  Rule,
  Settlement,
} from '../drivers/rate-limit-driver.js';
import { LeaseBook } from './lease-book.js';
import { processClock, type LeaseClock } from './lease-clock.js';
import { AskedRules, type LeasedRules } from './leased-rules.js';
import { canBeLeased, tightened } from './tightened-rule.js';

/**
 * Takes units of the rules that have a lease ahead from another driver, and spends them in this process.
 *
 * A call of one subject whose rules are all leased is decided here where units were taken ahead. Where none are left, one
 * call asks the store, for itself, for those that wait, and, within `size`, for as many more as came of late; the others wait
 * for that, and who is not covered asks again. What is left over is given back when it is over, and at `close`. All
 * other calls go to the store as they are, though under the same tightened rules.
 *
 * Bounds: no rule admits more than the bound of its policy in any `per`, see {@link tightened} for the proof, also when a
 * process dies with units in its hands: those are lost until they run off. Within the bound, each process keeps up to
 * `size` from the others for up to `for`; less near the limit, as no more than a quarter of what remains is taken ahead.
 *
 * What is estimated: a decision that was made here has `nowUs` and `resetUs` as the store had them when it charged the
 * units, so that it can be settled like any other, and remaining is what the store had then and what is left here. Denials
 * are always those of the store. `reset` and `block` take effect at once in this process, and in the others once they are told
 * to `forget`, or their leases are over. Errors of the store reject all calls that wait for it.
 */
export class LeasingRateLimitDriver implements RateLimitDriver {
  readonly #asked = new WeakMap<readonly Rule[], AskedRules>();
  readonly #books = new Map<string, LeaseBook>();
  readonly #givingBack = new Set<Promise<void>>();
  #closed = false;

  constructor(
    private readonly inner: RateLimitDriver,
    private readonly clock: LeaseClock = processClock,
  ) {}

  decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    if (!charges.some(hasLease)) return this.inner.decide(charges, operation);
    const leased = this.#leasedOf(charges);
    if (leased && !this.#closed) return this.#bookOf(leased).decide(charges[0]!.key, leased, operation);
    return this.inner.decide(this.#asAsked(charges), operation);
  }

  async peek(charges: readonly Charge[]): Promise<Decision> {
    if (!charges.some(hasLease)) return this.inner.peek(charges);
    const leased = this.#leasedOf(charges);
    const decision = await this.inner.peek(this.#asAsked(charges));
    const rest = leased && this.#books.get(leased.signature)?.find(charges[0]!.key)?.rest;
    if (!rest) return decision;
    const isHere = leased.costs.every((cost, index) => rest[index]! >= cost);
    const verdicts = decision.verdicts.map((verdict, index) => ({
      ...verdict,
      ...(isHere && { ok: true, retryUs: 0 }),
      remaining: verdict.remaining + rest[index]!,
    }));
    return { ...decision, allowed: decision.allowed || isHere, verdicts };
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    return this.inner.settle(settlements.map((settlement) => ({ ...settlement, rule: tightened(settlement.rule) })));
  }

  renew(key: string, rule: ConcurrencyRule, operation: number): Promise<boolean> {
    return this.inner.renew(key, rule, operation);
  }

  async reset(key: string, ids: readonly number[]): Promise<void> {
    this.forget(key, ids);
    await this.inner.reset(key, ids);
    // Also what was asked for meanwhile: it may have been charged before.
    this.forget(key, ids);
  }

  async block(key: string, id: number, forUs: number): Promise<void> {
    if (forUs > 0) this.forget(key, [id]);
    await this.inner.block(key, id, forUs);
    if (forUs > 0) this.forget(key, [id]);
  }

  /** Spends nothing more of what was taken from these rules of a subject; where another process has reset or blocked it. */
  forget(key: string, ids?: readonly number[]): void {
    for (const book of this.#books.values()) if (!ids || book.has(ids)) book.find(key)?.forget();
  }

  /** Gives back what is not spent. What is decided later is decided by the store. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#books.values()].map((book) => book.close()));
    this.#books.clear();
    await Promise.all(this.#givingBack);
  }

  #leasedOf(charges: readonly Charge[]): LeasedRules | undefined {
    return charges.length === 1 ? this.#askedRules(charges[0]!.rules).leased : undefined;
  }

  #asAsked(charges: readonly Charge[]): readonly Charge[] {
    return charges.map(({ key, rules }) => ({ key, rules: this.#askedRules(rules).rules }));
  }

  #askedRules(rules: readonly Rule[]): AskedRules {
    let asked = this.#asked.get(rules);
    if (!asked) this.#asked.set(rules, (asked = new AskedRules(rules)));
    return asked;
  }

  #bookOf(rules: LeasedRules): LeaseBook {
    const known = this.#books.get(rules.signature);
    if (known) return known;
    const onEmpty = (): void => void this.#books.delete(rules.signature);
    const book = new LeaseBook(rules, this.inner, this.clock, (settlements) => this.#giveBack(settlements), onEmpty);
    this.#books.set(rules.signature, book);
    return book;
  }

  #giveBack(settlements: readonly Settlement[]): void {
    if (settlements.length === 0) return;
    const giving = this.inner.settle(settlements).catch(() => {
      // Then it is lost until it runs off, as if it had been spent.
    });
    this.#givingBack.add(giving);
    void giving.finally(() => this.#givingBack.delete(giving));
  }
}

function hasLease({ rules }: Charge): boolean {
  return rules.some(canBeLeased);
}
