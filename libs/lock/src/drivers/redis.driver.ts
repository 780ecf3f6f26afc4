import { escapeGlob, groupBySlot, slotOf, type CommandArgument, type ServerConnection } from '@nuthatch/redis/internal';
import type { ReleaseOutcome } from '../lock.js';
import { thisMoment, type Moment } from '../moment.js';
import type {
  Answer,
  Beat,
  Busy,
  Claim,
  Hold,
  LockDriver,
  LockListener,
  LockState,
  ReleaseOptions,
  Renewal,
  Renewed,
  Replicated,
} from './lock-driver.js';
import { LockCalls } from './lock-calls.js';
import { endingOf, readBusy, readLockState, claimText } from './lock-text.js';
import { ProcessChannel } from './process-channel.js';
import { RepeatedClaims } from './repeated-claims.js';
import { scanLocks } from './scan-locks.js';
import type { CallReply } from './turn-batch.js';
import { TurnBatches } from './turn-batches.js';

// A waiter who has been told so beats for others of its process; without a word for so long it has to say so itself.
const BLIND_MS = 1_500;
const MOST_BEATEN = 1_000;
const MOST_TOGETHER = 100;

/** Locks in Redis: a list for each, see begin.lua; one script for each call, on a Cluster one for each slot. */
export class RedisLockDriver implements LockDriver {
  readonly #calls: LockCalls;
  readonly #channel: ProcessChannel;
  readonly #channels: string;
  readonly #repeated = new RepeatedClaims((key, id) => this.#release([{ key, id, token: 0n }], '', 0, false));
  /** See take() in state.lua. */
  readonly #reading: 'take' | 'look';
  readonly #queueing: TurnBatches<Answer>;
  readonly #trying: TurnBatches<Answer>;
  readonly #releasing: TurnBatches<ReleaseOutcome>;
  /** When this process has beaten last for those of it that wait for a lock. */
  readonly #beatenAt = new Map<string, number>();

  /**
   * @param root begins every key
   * @param process names this process: what the ids of its claims begin with
   * @param timeoutMs how long a call waits for Redis
   */
  constructor(
    private readonly connection: ServerConnection,
    root: string,
    process: string,
    private readonly timeoutMs: number,
  ) {
    this.#channels = `${root}process:`;
    this.#channel = new ProcessChannel(connection, this.#channels, process);
    this.#calls = new LockCalls(connection, timeoutMs);
    this.#reading = connection.mode === 'cluster' ? 'look' : 'take';
    const placeOf = connection.mode === 'cluster' ? slotOf : () => 0;
    this.#queueing = new TurnBatches(
      (keys, claims, giveUpAt, isAgain) =>
        this.#runAcquire(keys, [isAgain ? 'again' : 'queue', this.#channels, ...claims], giveUpAt, isAgain),
      (reply, key, since) => {
        const answer = readAnswer(reply, since);
        if (answer.state === 'waiting') this.#noteBeat(key, since.monotonic);
        return answer;
      },
      placeOf,
    );
    this.#trying = new TurnBatches(
      (keys, claims, giveUpAt, isAgain) => this.#runAcquire(keys, ['no', this.#channels, ...claims], giveUpAt, isAgain),
      (reply, _, since) => readAnswer(reply, since),
      placeOf,
    );
    this.#releasing = new TurnBatches(
      (keys, holds, _, isAgain) =>
        this.#runRelease(keys, [this.#channels, '?', 0, this.#reading, ...holds], true, isAgain),
      (reply, key) => this.#readReleased(key, reply),
      placeOf,
    );
  }

  acquire(claims: readonly Claim[], queue: boolean, giveUpAt: number): Promise<Answer> {
    if (claims.length > 1) return this.#acquireTogether(claims, giveUpAt);
    const [claim] = claims as readonly [Claim];
    if (queue && this.#beatsFor(claim.key)) return this.#acquireBlind(claim, giveUpAt);
    const batches = queue ? this.#queueing : this.#trying;
    return batches.batchFor(claim.key).add(claim.key, claimText(claim), giveUpAt);
  }

  async beat(waiting: readonly Claim[], giveUpAt: number): Promise<Beat> {
    const since = thisMoment();
    const { key } = waiting[0]!;
    const args = [this.#channels, ...waiting.map(claimText)];
    const reply = await this.#calls.run('beat', [key], args, { giveUpAt });
    const [nextUs, first, lastToken, ...tokens] = reply as readonly number[];
    this.#noteBeat(key, since.monotonic);
    return {
      since,
      nextMs: nextUs! / 1_000,
      first: first === 1,
      lastToken: BigInt(lastToken!),
      tokens: tokens.map((token) => (token === 0 ? undefined : BigInt(token))),
    };
  }

  async leave(claim: Claim): Promise<Busy> {
    const reply = await this.#calls.run('leave', [claim.key], [this.#channels, claimText(claim)], {});
    const [busy, told] = reply as readonly (readonly number[])[];
    this.#tell(claim.key, told!);
    return readBusy(busy!.slice(1));
  }

  async renew(renewals: readonly Renewal[], giveUpAt: number): Promise<Renewed[]> {
    const replies = new Map<Renewal, Renewed>();
    const renewSome = async (some: readonly Renewal[]): Promise<void> => {
      const since = thisMoment();
      const keys = some.map(({ key }) => key);
      const reply = await this.#calls.run('renew', keys, some.flatMap(renewalArgs), { giveUpAt });
      some.forEach((renewal, index) => replies.set(renewal, readRenewed(reply[index] as number | string, since)));
    };
    await Promise.all(this.#groups(renewals).map(renewSome));
    return renewals.map((renewal) => replies.get(renewal)!);
  }

  async replicate(renewal: Renewal, min: number, timeoutMs: number): Promise<Replicated> {
    const since = thisMoment();
    const giveUpAt = performance.now() + this.timeoutMs;
    const { reply, replicas } = await this.#calls.runAndWait('renew', renewal.key, renewalArgs(renewal), giveUpAt, {
      replicas: min,
      waitMs: timeoutMs,
      when: (said) => typeof (said as readonly CallReply[])[0] === 'number',
    });
    return { hold: readRenewed(reply[0] as number | string, since), replicas };
  }

  together(keys: readonly string[]): boolean {
    return this.connection.mode !== 'cluster' || groupBySlot(keys).length === 1;
  }

  release(holds: readonly Hold[], options: ReleaseOptions = {}): Promise<ReleaseOutcome> {
    const { keepMs = 0, prefer = '', alone = false, valid = false } = options;
    for (const { key, id } of holds) this.#repeated.released(key, id);
    if (holds.length === 1 && alone && keepMs === 0 && prefer === '') {
      const [{ key, id, token }] = holds as readonly [Hold];
      return this.#releasing.batchFor(key).add(key, `${id} ${token}`);
    }
    return this.#releaseTogether(holds, prefer, keepMs, valid);
  }

  async force(key: string): Promise<number> {
    const calledAt = performance.now();
    const before = await this.#calls.timeOf(key, calledAt);
    // Asked again, it must not take the lock from who was granted it by the first.
    const again = (args: CommandArgument[]): unknown => (args[1] = before);
    const giveUpAt = calledAt + this.timeoutMs;
    return (await this.#calls.run('force', [key], [this.#channels, 0], { giveUpAt, again })).length;
  }

  list(prefix: string): AsyncIterable<LockState> {
    return scanLocks(this.connection, `${escapeGlob(prefix)}*`, (key, parts, nowUs) =>
      readLockState(key, parts, nowUs),
    );
  }

  listen(listener: LockListener): () => void {
    return this.#channel.listen(listener);
  }

  close(): void {
    this.#calls.close();
    this.#repeated.close();
    this.#channel.close();
  }

  async #acquireTogether(claims: readonly Claim[], giveUpAt: number): Promise<Answer> {
    const since = thisMoment();
    const keys = claims.map(({ key }) => key);
    const args = ['together', this.#channels, ...claims.map(claimText)];
    const [reply] = await this.#runAcquire(keys, args, giveUpAt, false);
    return readAnswer(reply!, since);
  }

  #runAcquire(
    keys: readonly string[],
    args: CommandArgument[],
    giveUpAt: number,
    isAgain: boolean,
  ): Promise<readonly CallReply[]> {
    if (isAgain) this.#repeated.note(args, giveUpAt);
    const again = (): void => {
      if (args[0] === 'queue' || args[0] === 'blind') args[0] = 'again';
      this.#repeated.note(args, giveUpAt);
    };
    return this.#calls.run('acquire', keys, args, { giveUpAt, again, hasRun: isAgain });
  }

  /** Mostly one command less for Redis: others of this process wait, so the lock is not free. */
  async #acquireBlind(claim: Claim, giveUpAt: number): Promise<Answer> {
    const since = thisMoment();
    const args = ['blind', this.#channels, claimText(claim)];
    const [reply] = await this.#runAcquire([claim.key], args, giveUpAt, false);
    return readAnswer(reply!, since);
  }

  async #releaseTogether(
    holds: readonly Hold[],
    prefer: string,
    keepMs: number,
    valid: boolean,
  ): Promise<ReleaseOutcome> {
    const groups = this.#groups(holds);
    const outcomes = await Promise.all(groups.map((group) => this.#release(group, prefer, keepMs, valid)));
    return outcomes.flat().find((outcome) => outcome !== 'released') ?? 'released';
  }

  async #release(holds: readonly Hold[], prefer: string, keepMs: number, areValid: boolean): Promise<ReleaseOutcome[]> {
    const keys = holds.map(({ key }) => key);
    const texts = holds.map(({ id, token }) => `${id} ${token}`);
    const replies = await this.#runRelease(
      keys,
      [this.#channels, prefer, keepMs * 1_000, this.#reading, ...texts],
      areValid,
      false,
    );
    return replies.map((reply, index) => this.#readReleased(keys[index]!, reply));
  }

  /** Of valid holds that are gone when a release is repeated: others may have come and gone since, so Redis does not know it any more. */
  async #runRelease(
    keys: readonly string[],
    args: CommandArgument[],
    areValid: boolean,
    isAgain: boolean,
  ): Promise<readonly CallReply[]> {
    let isRepeated = isAgain;
    const replies = await this.#calls.run('release', keys, args, { again: () => (isRepeated = true) });
    return isRepeated && areValid ? replies.map(asReleased) : replies;
  }

  /** @param reply how it ended, and then the waiters of this process that were granted */
  #readReleased(key: string, reply: CallReply): ReleaseOutcome {
    if (typeof reply !== 'object') return endingOf(String(reply));
    const [how, ...told] = reply;
    this.#tell(key, told);
    return endingOf(String(how));
  }

  /** Waiters of this process that a script has granted, ids and tokens in turn. */
  #tell(key: string, told: readonly (number | string)[]): void {
    for (let index = 0; index < told.length; index += 2)
      this.#channel.granted(String(told[index]), BigInt(told[index + 1]!), key);
  }

  #beatsFor(key: string): boolean {
    const beatenAt = this.#beatenAt.get(key);
    if (beatenAt === undefined) return false;
    if (performance.now() - beatenAt < BLIND_MS) return true;
    this.#beatenAt.delete(key);
    return false;
  }

  #noteBeat(key: string, at: number): void {
    if (this.#beatenAt.size > MOST_BEATEN)
      for (const [old, beatenAt] of this.#beatenAt) if (at - beatenAt >= BLIND_MS) this.#beatenAt.delete(old);
    this.#beatenAt.set(key, at);
  }

  /** Those that one script may name together, not too many: Redis does nothing else meanwhile. */
  #groups<K extends { readonly key: string }>(all: readonly K[]): K[][] {
    const groups: K[][] = [];
    const open = new Map<number, K[]>();
    for (const each of all) {
      const place = this.connection.mode === 'cluster' ? slotOf(each.key) : 0;
      let group = open.get(place);
      if (!group || group.length >= MOST_TOGETHER) {
        group = [];
        groups.push(group);
        open.set(place, group);
      }
      group.push(each);
    }
    return groups;
  }
}

function asReleased(reply: CallReply): CallReply {
  const [how, ...told] = typeof reply === 'object' ? reply : [reply];
  return endingOf(String(how)) === 'forced' ? reply : ['r', ...told];
}

function readAnswer(reply: CallReply, since: Moment): Answer {
  if (typeof reply !== 'object') return { state: 'granted', token: BigInt(reply), since };
  const [state, ...details] = reply;
  return state === 0 ? readBusy(details) : { state: 'waiting', since, nextMs: Number(details[0]) / 1_000 };
}

function renewalArgs({ id, token, ttlMs, tokenAtLeast = 0n }: Renewal): CommandArgument[] {
  return [id, String(token), ttlMs * 1_000, String(tokenAtLeast)];
}

function readRenewed(said: number | string, since: Moment): Renewed {
  if (typeof said === 'number') return { state: 'renewed', token: BigInt(said), since };
  return { state: endingOf(said) as Exclude<ReleaseOutcome, 'released'> };
}
