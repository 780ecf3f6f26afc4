import type { OnModuleInit } from '@nestjs/common';
import type { Duration } from '@nuthatch/redis';
import { HANDED_MS, type Busy, type Claim, type Hold, type LockDriver } from './drivers/lock-driver.js';
import { KeptLock, type HoldCare, type HoldTerms } from './kept-lock.js';
import { ClaimIds, readHolder } from './holder-id.js';
import { LockEvents } from './lock-events.js';
import { LockKeeper } from './lock-keeper.js';
import type { LockKind } from './lock-kind.js';
import type { LockRequest, LockTarget } from './lock-request.js';
import type { LockSource } from './lock-source.js';
import type { ReleaseOutcome } from './lock.js';
import {
  LockAbortedError,
  LockBusyError,
  LockCallError,
  LockReplicasError,
  LockUnreachableError,
  type LockLostError,
} from './lock.errors.js';
import { wasNeverSent } from './is-outage.js';
import { resolveTtl, type ReplicasTerms, type ResolvedLockOptions } from './lock.options.js';
import { thisMoment } from './moment.js';
import { Afterwork } from './waiting/afterwork.js';
import type { Grant } from './waiting/waiter.js';
import { MissedGrant, WaitingRoom, type WaitResult } from './waiting/waiting-room.js';

// Within the five seconds that a process may take to end, with room for what the application does itself.
const DRAIN_MS = 2_000;

/** Grants locks of one module, and looks after them until they end. */
export class LockCore implements LockSource, HoldCare, OnModuleInit {
  readonly events: LockEvents;
  readonly #keeper: LockKeeper;
  readonly #room: WaitingRoom;
  readonly #afterwork = new Afterwork();
  /** Holds that were taken away before this process knew of them. */
  readonly #forcedEarly = new Set<string>();
  #stopListening: (() => void) | undefined;
  #closing: Error | undefined;
  #closed: Promise<void> | undefined;
  /** Calls of acquire() that have not been answered yet. */
  #asking = 0;
  #onAnswered: (() => void) | undefined;

  /** @param root begins the key of every lock */
  constructor(
    readonly driver: LockDriver,
    readonly options: ResolvedLockOptions,
    readonly root: string,
    readonly ids: ClaimIds,
  ) {
    this.events = new LockEvents(root);
    this.#keeper = new LockKeeper(driver, options.redisTimeoutMs);
    this.#room = new WaitingRoom(driver, options.redisTimeoutMs, this.#afterwork);
  }

  /** Listens from the start, so that the first wait need not. */
  onModuleInit(): void {
    this.#stopListening ??= this.driver.listen({
      granted: (id, token, key) => this.#granted({ id, token, key }),
      forced: (id) => this.#forced(id),
      moved: () => this.#keeper.renewSoon(),
      gap: () => this.#room.lookAround(),
    });
  }

  /** Lets sections end, then releases what is left. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = new Error('The application shuts down.');
    this.#room.close(this.#closing);
    await this.#keeper.emptied(DRAIN_MS);
    // Their sections learn that they are not alone from now on.
    await Promise.allSettled([...this.#keeper.locks].map((lock) => lock.giveUp('the application shuts down.')));
    if (this.#asking > 0) await new Promise<void>((resolve) => (this.#onAnswered = resolve));
    await this.#afterwork.close();
    this.#keeper.close();
    this.#stopListening?.();
    this.driver.close();
  }

  /**
   * Grants all that is asked for, or nothing.
   *
   * @throws LockBusyError, LockUnreachableError, LockAbortedError
   */
  async acquire(request: LockRequest): Promise<KeptLock> {
    const { targets, signal } = request;
    const startedAt = performance.now();
    const label = targets.length === 1 ? targets[0]!.label : targets.map((target) => target.label).join(', ');
    const { kind } = targets[0]!;
    this.#asking++;
    try {
      if (this.#closing) throw new LockAbortedError(label, { cause: this.#closing }, kind);
      if (signal?.aborted) throw new LockAbortedError(label, { cause: signal.reason }, kind);
      const lock = targets.length === 1 ? await this.#one(request, targets[0]!) : await this.#several(request, label);
      if (this.options.replicas) await this.#replicate(lock, this.options.replicas);
      if (this.#closing || lock.validForMs() === 0) await this.#refuseUnusable(lock);
      this.events.acquired(lock, performance.now() - startedAt);
      return lock;
    } catch (error) {
      const known =
        error instanceof LockBusyError || error instanceof LockAbortedError || error instanceof LockCallError;
      const refusal = known ? error : new LockUnreachableError(label, { cause: error }, kind);
      this.events.refused(label, kind, refusal, performance.now() - startedAt);
      throw refusal;
    } finally {
      if (--this.#asking === 0) {
        // Not without need: an empty set that is cleared makes a new table, too.
        if (this.#forcedEarly.size > 0) this.#forcedEarly.clear();
        this.#onAnswered?.();
      }
    }
  }

  forget(lock: KeptLock, loss?: LockLostError): void {
    this.#keeper.forget(lock);
    if (loss) this.events.lost(lock, loss);
  }

  reschedule(lock: KeptLock): void {
    this.#keeper.reschedule(lock);
  }

  async renew(lock: KeptLock, ttlMs: number): Promise<void> {
    try {
      await this.#keeper.renew(lock, ttlMs);
    } catch (error) {
      throw new LockUnreachableError(lock.key, { cause: error }, lock.kind);
    }
  }

  async release(lock: KeptLock, keepMs: number): Promise<ReleaseOutcome> {
    const { holds } = lock;
    const [{ key }] = holds as readonly [Hold];
    const single = holds.length === 1;
    const prefer = lock.fair || !single ? undefined : this.#room.firstFor(key);
    const alone = single && lock.wasValid && !lock.waited && !this.#room.isWaitedFor(key);
    try {
      const valid = lock.wasValid;
      const outcome = await this.driver.release(holds, {
        keepMs,
        alone,
        valid,
        ...(prefer !== undefined && { prefer }),
      });
      this.events.released(lock, outcome);
      return outcome;
    } catch (error) {
      this.events.released(lock, 'unreachable');
      this.#afterwork.run(() => this.driver.release(holds, { keepMs }), lock.ttlMs);
      throw error;
    }
  }

  resolveTtl(ttl: Duration): number {
    return resolveTtl(ttl, this.options.redisTimeoutMs);
  }

  async #one(request: LockRequest, target: LockTarget): Promise<KeptLock> {
    const startedAt = performance.now();
    for (;;) {
      const claim = this.#claim(request, target);
      const waitMs = Math.max(0, request.waitMs - (performance.now() - startedAt));
      try {
        const result = await (waitMs === 0
          ? this.#try([claim])
          : this.#room.wait(claim, { label: target.label, kind: target.kind, waitMs, signal: request.signal }));
        if ('state' in result)
          throw this.#busyError(
            target.label,
            target.kind,
            result,
            request.waitMs === 0 ? 0 : performance.now() - startedAt,
          );
        if (this.#forcedEarly.delete(claim.id)) throw new MissedGrant();
        return this.#hold(request, target.label, [target.label], [claim], result);
      } catch (error) {
        // It waits again, at the end of the queue.
        if (!(error instanceof MissedGrant)) throw error;
      }
    }
  }

  async #several(request: LockRequest, label: string): Promise<KeptLock> {
    const { targets } = request;
    const labels = targets.map((target) => target.label);
    if (this.driver.together(targets.map(({ key }) => key))) {
      const claims = targets.map((target) => this.#claim(request, target));
      const result = await this.#try(claims);
      if (!('state' in result)) return this.#hold(request, label, labels, claims, result);
      if (request.waitMs === 0) throw this.#busyError(label, targets[0]!.kind, result, 0);
    }
    return this.#oneAfterTheOther(request, label, labels);
  }

  /** In the order of their keys, so that nobody waits for each other in a circle. */
  async #oneAfterTheOther(request: LockRequest, label: string, labels: readonly string[]): Promise<KeptLock> {
    const endsAt = performance.now() + request.waitMs;
    const parts: KeptLock[] = [];
    try {
      for (const target of request.targets)
        parts.push(await this.#one({ ...request, waitMs: Math.max(0, endsAt - performance.now()) }, target));
      // Each lock has to know the token of all: none that is granted later may be smaller.
      const token = parts.reduce((most, part) => (part.token > most ? part.token : most), 0n);
      const waited = parts.some((part) => part.waited);
      const holds = parts.flatMap((part) => part.holds);
      const renewals = holds.map((hold) => ({ ...hold, ttlMs: request.ttlMs, tokenAtLeast: token }));
      const answers = await this.driver.renew(renewals, performance.now() + this.options.redisTimeoutMs);
      for (const part of parts) part.assertHeld();
      const lock = new KeptLock(this, termsOf(request, label, labels, holds, token, waited), {
        since: thisMoment(),
        ms: 0,
      });
      lock.renewed(renewals, answers);
      lock.assertHeld();
      for (const part of parts) this.#keeper.forget(part);
      this.#keeper.add(lock);
      return lock;
    } catch (error) {
      await Promise.allSettled(parts.map((part) => part.release()));
      throw error;
    }
  }

  /** Gives back what nobody can use any more. */
  async #refuseUnusable(lock: KeptLock): Promise<never> {
    await lock.release().catch(() => 'it is tried again, and ends with its validity');
    if (this.#closing) throw new LockAbortedError(lock.key, { cause: this.#closing }, lock.kind);
    throw new Error('its time was over when the answer came. Redis answered late, or this process stood still.');
  }

  /** What is granted to who has gone, as after a failover that has brought back the queue of before, is given back. */
  #granted(hold: Hold): void {
    if (this.#room.granted(hold) || this.#keeper.has(hold.id)) return;
    this.#afterwork.run(() => this.driver.release([hold]), HANDED_MS);
  }

  /** The news may come before the grant itself. */
  #forced(id: string): void {
    if (this.#keeper.has(id)) this.#keeper.forced(id);
    else if (this.#asking > 0) this.#forcedEarly.add(id);
  }

  /** A grant that too few replicas have could be lost in a failover: it is given back. */
  async #replicate(lock: KeptLock, { min, timeoutMs }: ReplicasTerms): Promise<void> {
    try {
      const renewals = lock.renewal() ?? [];
      const answers = await Promise.all(renewals.map((renewal) => this.driver.replicate(renewal, min, timeoutMs)));
      lock.renewed(
        renewals,
        answers.map(({ hold }) => hold),
      );
      lock.assertHeld();
      const least = Math.min(...answers.map(({ replicas }) => replicas));
      if (least < min) throw new LockReplicasError(least, min, timeoutMs);
    } catch (error) {
      await lock.release().catch(() => 'it is tried again, and ends with its validity');
      throw error;
    }
  }

  /** Asks once. */
  async #try(claims: readonly Claim[]): Promise<WaitResult> {
    const { ttlMs } = claims[0]!;
    const giveUpAt = performance.now() + this.options.redisTimeoutMs;
    try {
      const answer = await this.driver.acquire(claims, false, giveUpAt);
      if (answer.state === 'waiting') throw new Error('A lock driver has queued who does not wait.');
      return answer.state === 'granted'
        ? { token: answer.token, since: answer.since, ms: ttlMs, waited: false }
        : answer;
    } catch (error) {
      // Whether it was granted is not known.
      if (!wasNeverSent(error))
        for (const claim of claims) this.#afterwork.run(() => this.driver.leave(claim), ttlMs, giveUpAt);
      throw error;
    }
  }

  #claim({ ttlMs, delayMs }: LockRequest, { key, permits, weight }: LockTarget): Claim {
    return { key, id: this.ids.next(), permits, weight, ttlMs, delayMs };
  }

  #hold(
    request: LockRequest,
    label: string,
    labels: readonly string[],
    claims: readonly Claim[],
    grant: Grant,
  ): KeptLock {
    const { token, waited } = grant;
    const holds = claims.map(({ key, id }) => ({ key, id, token }));
    const lock = new KeptLock(this, termsOf(request, label, labels, holds, token, waited), grant);
    this.#keeper.add(lock);
    for (const { id } of claims) if (this.#forcedEarly.delete(id)) this.#keeper.forced(id);
    return lock;
  }

  #busyError(label: string, kind: LockKind, { position, holder, remainingMs }: Busy, waitedMs: number): LockBusyError {
    const details = {
      waitedMs,
      position,
      ...(holder && {
        holder: readHolder(holder.id, holder.token),
        heldHere: holder.id.startsWith(`${this.ids.process}:`),
      }),
      ...(remainingMs !== undefined && { remainingMs }),
    };
    return new LockBusyError(label, details, kind);
  }
}

function termsOf(
  { targets, ttlMs, maxHoldMs, fair }: LockRequest,
  label: string,
  labels: readonly string[],
  holds: readonly Hold[],
  token: bigint,
  waited: boolean,
): HoldTerms {
  return { kind: targets[0]!.kind, label, labels, holds, token, ttlMs, maxHoldMs, fair, waited };
}
