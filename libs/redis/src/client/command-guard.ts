import { NuthatchError, RedisTimeoutError, RedisUnreachableError } from '../redis.errors.js';
import { CircuitBreaker, type BreakerState, type CircuitBreakerOptions } from './circuit-breaker.js';
import { DeadlineQueue } from './deadline-queue.js';
import { GUARDED, ON_REPLICA, TIMEOUT, WRITTEN, type GuardedCommand } from './guarded-command.js';
import { redact } from './redact.js';

// More than this waiting for a connection is an outage with a backlog; failing early is kinder than failing late.
const MAX_WAITING = 10_000;

// ioredis sends these itself after a reconnect, just before it says that the client is ready, which closes the breaker.
const RENEWED = new Set(['subscribe', 'psubscribe', 'ssubscribe', 'select']);

export interface CommandGuardOptions {
  readonly connection: string;
  readonly commandTimeoutMs: number;
  /** `false`: no breaker; for clients that must try for ever, such as a subscriber. */
  readonly breaker: CircuitBreakerOptions | false;
  /** Whether the client has a link per node: then losing one of them says nothing about the connection as a whole. */
  readonly manyLinks?: boolean;
  readonly onBreaker?: (state: BreakerState) => void;
}

/** What `admit` says: the command may go to ioredis for the first time, once more, or not at all (it is settled then). */
export type Admission = 'first' | 'again' | 'refused';

/**
 * Gives every command of a client a deadline, a breaker and errors without values. Invariant: a command that was
 * admitted settles at its deadline at the latest, and one that has settled is never written to a socket afterwards.
 */
export class CommandGuard {
  readonly breaker: CircuitBreaker | undefined;
  readonly #queues = new Map<number, DeadlineQueue>();
  /** Of the command that came last: its place in its pipeline, and why it was refused. */
  #lastPlace = 0;
  #lastRefusal: string | undefined;
  #closed = false;

  constructor(private readonly options: CommandGuardOptions) {
    this.breaker = options.breaker
      ? new CircuitBreaker(options.breaker, (state) => options.onBreaker?.(state))
      : undefined;
    this.#queueFor(options.commandTimeoutMs);
  }

  /** @param linkReady whether a command would be written at once; otherwise it waits in the queue of ioredis */
  admit(command: GuardedCommand, linkReady: boolean): Admission {
    // The promise is replaced when a pipeline is tried again, so a stale mark does not count.
    if (command[GUARDED] === command.promise) return command.isSettled ? 'refused' : 'again';
    command[GUARDED] = command.promise;
    // Nobody at ioredis looks at these promises, and a rejection that nobody looks at ends the process.
    if (RENEWED.has(command.name)) command.promise.catch(() => 'the next connection renews it');
    const refusal = this.#refusal(command, linkReady);
    if (refusal) {
      command.reject(new RedisUnreachableError(this.options.connection, refusal, 'not-executed'));
      return 'refused';
    }
    const reject = command.reject;
    command.reject = (error) => reject.call(command, this.#translate(command, error));
    if (this.breaker?.state === 'half-open') this.#watchProbe(command, this.breaker);
    this.#queueFor(Math.ceil(command[TIMEOUT] ?? this.options.commandTimeoutMs)).add(command);
    return 'first';
  }

  /** Waits until all that is under way has settled; no longer than the longest deadline. New commands are refused. */
  async drain(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending().map((command) => command.promise));
  }

  /** Settles what is left and stops the timers. */
  close(): void {
    this.#closed = true;
    for (const command of this.#pending()) command.reject(this.#unreachable('it was closed.', command));
    for (const queue of this.#queues.values()) queue.stop();
  }

  /**
   * A pipeline is written when the last of its commands is there, so the first decides for all of them. One that passed
   * alone would never be written and yet be next in line for a reply: that of another caller.
   */
  #refusal(command: GuardedCommand, linkReady: boolean): string | undefined {
    const place = command.pipelineIndex ?? 0;
    const continues = place > 0 && place === this.#lastPlace + 1;
    this.#lastPlace = place;
    if (!continues) this.#lastRefusal = this.#decide(command, linkReady);
    return this.#lastRefusal;
  }

  #decide(command: GuardedCommand, linkReady: boolean): string | undefined {
    if (this.#closed) return 'it is closed.';
    if (!linkReady && this.#waiting() >= MAX_WAITING) return `${MAX_WAITING} commands wait for it already.`;
    // Last: what the breaker lets through as its probe must go ahead.
    if (RENEWED.has(command.name) || this.breaker?.admit() !== 'refuse') return undefined;
    const { failures, retryAfterMs } = this.breaker;
    return `calls fail at once after ${failures} failures in a row; next try in ${retryAfterMs}ms.`;
  }

  /** Whatever becomes of the probe, the breaker must hear of it: nobody else may pass until then. */
  #watchProbe(command: GuardedCommand, breaker: CircuitBreaker): void {
    command.promise.then(
      () => breaker.succeed(),
      () => {
        if (breaker.state === 'half-open') breaker.fail();
      },
    );
  }

  #translate(command: GuardedCommand, error: unknown): unknown {
    if (error instanceof NuthatchError) return error;
    // A reply to a command that was never written is the reply to the handshake: the server refuses this client.
    const refused = error instanceof Error && error.name === 'ReplyError' && !command[WRITTEN];
    if (!refused && !isLinkFailure(error)) {
      // An error reply is an answer: the server is there.
      this.#succeeded();
      return redact(error);
    }
    if (!this.options.manyLinks || !command[WRITTEN]) this.#failed(command);
    return this.#unreachable(linkFailureReason(error as Error, command), command, redact(error));
  }

  #unreachable(reason: string, command: GuardedCommand, cause?: unknown): RedisUnreachableError {
    const outcome = command[WRITTEN] ? 'unknown' : 'not-executed';
    return new RedisUnreachableError(
      this.options.connection,
      reason,
      outcome,
      cause === undefined ? undefined : { cause },
    );
  }

  #queueFor(timeoutMs: number): DeadlineQueue {
    let queue = this.#queues.get(timeoutMs);
    if (!queue) {
      const expire = (command: GuardedCommand, blameless: boolean): void => this.#expire(command, timeoutMs, blameless);
      // The time that a call has left is seldom the same twice, so queues must not pile up.
      const drop = (): unknown => timeoutMs !== this.options.commandTimeoutMs && this.#queues.delete(timeoutMs);
      queue = new DeadlineQueue(timeoutMs, () => this.#succeeded(), expire, drop);
      this.#queues.set(timeoutMs, queue);
    }
    return queue;
  }

  #expire(command: GuardedCommand, timeoutMs: number, blameless: boolean): void {
    if (!blameless) this.#failed(command);
    const outcome = command[WRITTEN] ? 'unknown' : 'not-executed';
    command.reject(new RedisTimeoutError(this.options.connection, command.name, timeoutMs, outcome));
  }

  /** A pipeline is one call; and a replica that is away says nothing about the master. */
  #failed(command: GuardedCommand): void {
    if (!command.pipelineIndex && !command[ON_REPLICA]) this.breaker?.fail();
  }

  #succeeded(): void {
    if (this.breaker && (this.breaker.failures > 0 || this.breaker.state !== 'closed')) this.breaker.succeed();
  }

  #waiting(): number {
    let waiting = 0;
    for (const queue of this.#queues.values()) waiting += queue.size;
    return waiting;
  }

  #pending(): GuardedCommand[] {
    return [...this.#queues.values()].flatMap((queue) => queue.pending());
  }
}

const LINK_FAILURE_NAMES = new Set(['MaxRetriesPerRequestError', 'AbortError', 'ClusterAllFailedError']);
const LINK_FAILURE_MESSAGES =
  /^(Connection is (closed|aborted)|Stream isn't writeable|None of startup nodes|Cluster is|Cluster isn't|Too many Cluster redirections|All sentinels are unreachable|The server sent nothing|Unknown RESP type)/;

function linkFailureReason(error: Error, command: GuardedCommand): string {
  // Zero retries is how the client is told to fail early, so its advice to look at that option would mislead.
  if (error.name !== 'MaxRetriesPerRequestError') return error.message.replace(/\.?$/, '.');
  return command[WRITTEN] ? 'the connection was lost before the reply.' : 'no connection could be made.';
}

function isLinkFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError') return false;
  return 'syscall' in error || LINK_FAILURE_NAMES.has(error.name) || LINK_FAILURE_MESSAGES.test(error.message);
}
