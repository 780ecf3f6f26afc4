import { DEADLINE, type GuardedCommand } from './guarded-command.js';

const COMPACT_AT = 1_024;

/**
 * Commands that share one timeout, in the order of their deadlines, under a single timer. Per command this costs a push
 * and a shift, where a timer of its own would cost more than the rest of the client.
 */
export class DeadlineQueue {
  #commands: (GuardedCommand | undefined)[] = [];
  #head = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param onSuccess called when commands are seen to have succeeded in time
   * @param onExpire called with the commands that ran out of time; `alive` tells whether later ones have succeeded
   */
  constructor(
    private readonly timeoutMs: number,
    private readonly onSuccess: () => void,
    private readonly onExpire: (command: GuardedCommand, alive: boolean) => void,
  ) {}

  get size(): number {
    return this.#commands.length - this.#head;
  }

  add(command: GuardedCommand): void {
    const now = performance.now();
    command[DEADLINE] = now + this.timeoutMs;
    this.#dropSettled();
    this.#commands.push(command);
    this.#timer ??= setTimeout(this.#expire, this.timeoutMs);
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

  readonly #expire = (): void => {
    this.#timer = undefined;
    this.#dropSettled();
    const now = performance.now();
    let pipelined: number | undefined;
    let alive: boolean | undefined;
    for (let head = this.#commands[this.#head]; head !== undefined; head = this.#commands[this.#head]) {
      // The commands of a pipeline leave in one piece, so none of them may be taken back alone.
      const sameBatch = pipelined !== undefined && head.pipelineIndex === pipelined + 1;
      if (!head.isSettled && head[DEADLINE]! > now && !sameBatch) break;
      this.#commands[this.#head++] = undefined;
      if (head.isSettled) continue;
      pipelined = head.pipelineIndex;
      alive ??= this.#commands.some((command) => command?.isResolved);
      this.onExpire(head, alive);
    }
    const next = this.#commands[this.#head];
    if (next) this.#timer = setTimeout(this.#expire, Math.max(1, Math.ceil(next[DEADLINE]! - now)));
  };
}
