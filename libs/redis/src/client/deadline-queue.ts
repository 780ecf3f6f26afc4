import { DEADLINE, type GuardedCommand } from './guarded-command.js';

const COMPACT_AT = 1_024;
// A timer this late means that the event loop was blocked.
const STALL_MS = 100;
// The most that a timer of Node can wait; it fires at once when asked for more.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Commands that share one timeout, in the order of their deadlines, under a single timer. Per command this costs a push
 * and a shift, where a timer of its own would cost more than the rest of the client.
 */
export class DeadlineQueue {
  #commands: (GuardedCommand | undefined)[] = [];
  #head = 0;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;

  /**
   * @param onSuccess called when commands are seen to have succeeded in time
   * @param onExpire called with each command that ran out of time; `blameless`: the server is not known to be the reason,
   *   because later commands have succeeded, or because this process itself stood still
   * @param onEmpty called when the last of its commands is gone and the timer has stopped
   */
  constructor(
    private readonly timeoutMs: number,
    private readonly onSuccess: () => void,
    private readonly onExpire: (command: GuardedCommand, blameless: boolean) => void,
    private readonly onEmpty: () => void = () => undefined,
  ) {}

  get size(): number {
    return this.#commands.length - this.#head;
  }

  add(command: GuardedCommand): void {
    const now = performance.now();
    command[DEADLINE] = now + this.timeoutMs;
    this.#dropSettled();
    this.#commands.push(command);
    if (this.#timer === undefined) this.#arm(this.timeoutMs, now);
  }

  /** The commands that have not settled. */
  pending(): GuardedCommand[] {
    return this.#commands
      .slice(this.#head)
      .filter((command) => command !== undefined && !command.isSettled) as GuardedCommand[];
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #dropSettled(): void {
    let head = this.#commands[this.#head];
    if (head === undefined || !head.isSettled) return;
    let succeeded = false;
    do {
      succeeded ||= head.isResolved;
      this.#commands[this.#head++] = undefined;
      head = this.#commands[this.#head];
    } while (head?.isSettled);
    if (this.#head === this.#commands.length) {
      this.#commands.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#commands.length) {
      this.#commands = this.#commands.slice(this.#head);
      this.#head = 0;
    }
    if (succeeded) this.onSuccess();
  }

  #arm(delayMs: number, now: number): void {
    this.#dueAt = now + delayMs;
    this.#timer = setTimeout(this.#due, Math.min(delayMs, LONGEST_TIMER_MS));
  }

  /** Timers run before sockets are read: after a pause of this process the replies may be waiting there already. */
  readonly #due = (): void => {
    setImmediate(this.#expire);
  };

  readonly #expire = (): void => {
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    this.#dropSettled();
    const now = performance.now();
    let pipelined: number | undefined;
    let blameless: boolean | undefined = now - this.#dueAt > STALL_MS ? true : undefined;
    for (let head = this.#commands[this.#head]; head !== undefined; head = this.#commands[this.#head]) {
      // The commands of a pipeline leave in one piece, so none of them may be taken back alone.
      const sameBatch = pipelined !== undefined && head.pipelineIndex === pipelined + 1;
      if (!head.isSettled && head[DEADLINE]! > now && !sameBatch) break;
      this.#commands[this.#head++] = undefined;
      if (head.isSettled) continue;
      pipelined = head.pipelineIndex;
      blameless ??= this.#commands.some((command) => command?.isResolved);
      this.onExpire(head, blameless);
    }
    const next = this.#commands[this.#head];
    if (next) this.#arm(Math.max(1, Math.ceil(next[DEADLINE]! - now)), now);
    else this.onEmpty();
  };
}
