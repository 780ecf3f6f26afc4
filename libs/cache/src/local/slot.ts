import type { EntryHeader } from '../drivers/entry-text.js';
import { ownText } from './own-text.js';

/** An entry in the memory of this process. Times are those of the monotonic clock, in milliseconds. */
export class Slot {
  /** Its name without the prefix of its scope. */
  readonly text: string;
  /** Whether its key needs no escaping, so that it may be found by the key as the caller writes it. */
  readonly plain: boolean;
  readonly freshUntil: number;
  readonly staleUntil: number;
  #answer: Promise<unknown> | undefined;
  /** How many load times before its end this process would load it anew: distributed as XFetch wants it. */
  readonly luck = -Math.log(1 - Math.random());
  /** Where it is found by its text, once it is taken in. */
  index: Map<string, Slot> | undefined;
  /** No later than {@link freshUntil}. */
  servedUntil: number;
  /** In which round it was last moved to the young end. */
  usedIn = -1;
  readonly tagged: boolean;
  /** The state of the tags that it was last judged by. */
  judgedAt = -1;
  /** How many changes of its key were reported since its value was on its way: of those of an own write one is its echo. */
  reports = 0;
  /** Why it cannot be served: it has to be compared with the shared tier first. */
  suspect = false;
  /** Whether that comparison is under way. */
  comparing = false;

  /**
   * @param own whether this process wrote it, so that a report of a change may be of that
   * @param ageMs how old the value is already
   */
  constructor(
    readonly name: string,
    text: string,
    readonly value: unknown,
    readonly copies: boolean,
    readonly header: EntryHeader,
    readonly own: boolean,
    readonly putAt: number,
    ageMs: number,
  ) {
    this.text = ownText(text);
    this.plain = !text.includes('%');
    this.freshUntil = putAt + header.ttlMs - ageMs;
    this.staleUntil = this.freshUntil + header.graceMs;
    this.servedUntil = this.freshUntil;
    this.tagged = header.stamp !== undefined;
  }

  /** The value for those who wait: one promise for all of them, which costs a hit less than one for each. */
  get answer(): Promise<unknown> {
    return (this.#answer ??= Promise.resolve(this.value));
  }
}
