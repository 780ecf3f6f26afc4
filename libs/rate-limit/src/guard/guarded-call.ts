import type { ExecutionContext } from '@nestjs/common';
import type { CallPart, OpenCall } from '../call.js';
import type { RateLimitDecision } from '../decision.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import type { Admission, Admitted } from './admission.js';
import type { Caller } from './caller.js';
import { errorForContext } from './error-for-context.js';
import type { ResponseHeaders } from './guard.tokens.js';
import { givenBack } from './given-back.js';
import { mergeDecisions } from './merge-decisions.js';
import { RateLimitExceededError } from './rate-limit-exceeded.error.js';
import { RateLimitRefusalError } from './rate-limit-refusal.error.js';
import { Reply } from './reply.js';
import type { Route, RoutePolicy } from './route-policies.js';
import { waitsForUser } from './subjects-of.js';

/** `'unknown'`: whoever waited for it went away before it was known. */
export type Outcome = Parameters<OpenCall['finish']>[0];

/**
 * A call on its way through guards and interceptors. It is decided in one go by the guard, unless something has to wait until
 * all guards have run: policies of users, where nobody is known to be logged in yet; and, where no end of a response tells
 * how the call went, all policies of a call that has to be finished, as a later guard may end it and nobody would know.
 */
export class GuardedCall {
  readonly #reply: Reply | undefined;
  #left: readonly RoutePolicy[];
  #parts: readonly CallPart[] = [];
  #decision: RateLimitDecision | undefined;
  #open: OpenCall[] = [];
  #outcome: Outcome | undefined;
  #isHandled = false;
  #atGuard: Promise<void> | undefined;
  #atHandler: Promise<void> | undefined;

  constructor(
    private readonly context: ExecutionContext,
    readonly route: Route,
    private readonly caller: Caller,
    policies: readonly RoutePolicy[],
    private readonly admission: Admission,
    private readonly headers: ResponseHeaders,
  ) {
    this.#reply = Reply.of(context, caller.request);
    this.#left = policies;
  }

  /** All that was decided of it so far. */
  get decision(): RateLimitDecision | undefined {
    return this.#decision;
  }

  /** Whether the end of a response tells how it went, so that nobody else has to. */
  get endsWithResponse(): boolean {
    return this.caller.kind === 'http' && this.#reply !== undefined;
  }

  /** Whether something is decided only before the handler runs. */
  get hasLateParts(): boolean {
    return this.#left.length > 0 || this.#atHandler !== undefined;
  }

  /** Decides what can be decided so far; once, however many guards ask. Rejects when that is denied. */
  decideAtGuard(): Promise<void> {
    this.#atGuard ??= this.#decideNow(this.#left.filter((one) => this.#canGoNow(one)));
    return this.#atGuard;
  }

  /** Decides the rest, once. Rejects when that is denied, or when there is still no user. */
  decideAtHandler(): Promise<void> {
    this.#atHandler ??= this.#decideNow(this.#left);
    return this.#atHandler;
  }

  /** The handler is about to run. Says whether nobody has said so before. */
  beginHandling(): boolean {
    const isFirst = !this.#isHandled;
    this.#isHandled = true;
    return isFirst;
  }

  /** How the call went. What is said first counts. */
  finish(outcome: Outcome): void {
    this.#outcome ??= outcome;
    for (const open of this.#open.splice(0)) open.finish(this.#outcome);
  }

  #canGoNow({ policy }: RoutePolicy): boolean {
    if (waitsForUser(policy, this.caller)) return false;
    return this.endsWithResponse || !this.#left.some((one) => hasToBeFinished(one.policy));
  }

  async #decideNow(policies: readonly RoutePolicy[]): Promise<void> {
    this.#left = this.#left.filter((one) => !policies.includes(one));
    try {
      const parts = await this.admission.partsOf(policies, this.caller);
      const admitted = await this.admission.decide(parts, this.caller);
      if (admitted) this.#take(admitted);
    } catch (error) {
      if (!(error instanceof RateLimitExceededError || error instanceof RateLimitRefusalError)) throw error;
      // The default filter of Nest keeps it, on Express and on Fastify.
      if (this.endsWithResponse) this.#reply?.setHeaders({ 'Content-Type': 'application/problem+json' });
      throw await errorForContext(error, this.context);
    }
  }

  #take({ parts, call }: Admitted): void {
    const isFirst = this.#decision === undefined;
    const before = this.#decision && !call.decision.allowed ? givenBack(this.#decision, this.#parts) : this.#decision;
    this.#parts = [...this.#parts, ...parts];
    this.#decision = before ? mergeDecisions(before, call.decision) : call.decision;
    this.#reply?.setHeaders(this.headers.of(this.#parts, this.#decision));
    if (!call.decision.allowed) {
      // A denied call is charged to nobody, also not by what was decided before.
      for (const open of this.#open.splice(0)) open.cancel();
      throw new RateLimitExceededError(
        this.#decision,
        this.#parts.map(({ policy }) => policy),
      );
    }
    this.#open.push(call);
    if (this.#outcome) this.finish(this.#outcome);
    else if (isFirst && this.endsWithResponse) this.#reply?.onEnd((outcome) => this.finish(outcome));
  }
}

/** Whether the store has to be told how a call went. */
function hasToBeFinished({ when, shape }: ResolvedPolicy): boolean {
  return when !== 'always' || shape.kind === 'concurrency';
}
