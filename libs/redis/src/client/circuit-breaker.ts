export interface CircuitBreakerOptions {
  /** Consecutive failures that open the breaker. */
  readonly failures: number;
  /** How long it stays open before one probe, in milliseconds. */
  readonly resetAfterMs: number;
}

/** `closed`: calls pass. `open`: calls are refused. `half-open`: one probe is under way, other calls are refused. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** Stops calls to a Redis that does not answer, so that an outage costs a caller nothing but an error. */
export class CircuitBreaker {
  #state: BreakerState = 'closed';
  #failures = 0;
  #openedAt = 0;

  constructor(
    private readonly options: CircuitBreakerOptions,
    private readonly onChange: (state: BreakerState) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get state(): BreakerState {
    return this.#state;
  }

  /** Consecutive failures so far; zero after any success. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds until the next probe may pass; 0 when one may pass now. */
  get retryAfterMs(): number {
    return this.#state === 'closed'
      ? 0
      : Math.max(0, Math.ceil(this.#openedAt + this.options.resetAfterMs - this.now()));
  }

  /** Whether a call may go ahead. `'probe'` asks the caller to report this very call by `succeed()` or `fail()`. */
  admit(): 'pass' | 'probe' | 'refuse' {
    if (this.#state === 'closed') return 'pass';
    if (this.#state === 'half-open' || this.now() < this.#openedAt + this.options.resetAfterMs) return 'refuse';
    this.#set('half-open');
    return 'probe';
  }

  /** Lets the next call probe without waiting any longer. */
  probeNow(): void {
    this.#openedAt = -Infinity;
  }

  succeed(): void {
    this.#failures = 0;
    this.#set('closed');
  }

  fail(): void {
    this.#failures += 1;
    // Calls that were already on their way when the breaker opened must not push the probe further out.
    if (this.#state === 'open') return;
    if (this.#state === 'half-open' || this.#failures >= this.options.failures) {
      this.#openedAt = this.now();
      this.#set('open');
    }
  }

  #set(state: BreakerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.onChange(state);
  }
}
