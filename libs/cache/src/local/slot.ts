import type { EntryHeader } from '../drivers/entry-text.js';
import { ownText } from './own-text.js';

/** An entry in the memory of this process. Times are those of the monotonic clock, in milliseconds. */
export class Slot {
  // What a hit looks at, together: it is in memory as it is written here.
  /** Whether its key needs no escaping, so that it may be found by the key as the caller writes it. */
  readonly plain: boolean;
  /** Whether it holds something that each reader needs a copy of. */
  readonly copies: boolean;
  readonly tagged: boolean;
  /** Why it cannot be served: it has to be compared with the shared tier first. */
  suspect = false;
  /** In which round it was last moved to the young end. */
  usedIn = -1;
  /** No later than {@link freshUntil}, and whole: V8 keeps a number with a fraction elsewhere. */
  servedUntil: number;
  #answer: Promise<unknown> | undefined;
  readonly value: unknown;
  readonly name: string;
  /** Its name without the prefix of its scope. */
  readonly text: string;
  readonly header: EntryHeader;
  /** Whether this process wrote it, so that a report of a change may be of that. */
  readonly own: boolean;
  readonly putAt: number;
  readonly freshUntil: number;
  readonly staleUntil: number;
  /** How many load times before its end this process would load it anew: distributed as XFetch wants it. */
  readonly luck = -Math.log(1 - Math.random());
  /** Where it is found by its text, once it is taken in. */
  index: Map<string, Slot> | undefined;
  /** The state of the tags that it was last judged by. */
  judgedAt = -1;
  /** How many changes of its key were reported since its value was on its way: of those of an own write one is its echo. */
  reports = 0;
  /** Whether it is being compared with the shared tier. */
  comparing = false;

  /** @param ageMs how old the value is already */
  constructor(
    name: string,
    text: string,
    value: unknown,
    copies: boolean,
    header: EntryHeader,
    own: boolean,
    putAt: number,
    ageMs: number,
  ) {
    this.plain = !text.includes('%');
    this.copies = copies;
    this.tagged = header.stamp !== undefined;
    this.value = value;
    this.name = name;
    this.text = ownText(text);
    this.header = header;
    this.own = own;
    this.putAt = putAt;
    this.freshUntil = putAt + header.ttlMs - ageMs;
    this.staleUntil = this.freshUntil + header.graceMs;
    this.servedUntil = Math.floor(this.freshUntil);
  }

  /** The value for those who wait: one promise for all of them, which costs a hit less than one for each. */
  get answer(): Promise<unknown> {
    return (this.#answer ??= Promise.resolve(this.value));
  }
}
