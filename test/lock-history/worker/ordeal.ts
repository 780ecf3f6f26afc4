import type { Fault, Moment } from '../history/events.js';
import type { Recorder } from '../history/recorder.js';

interface Sentence {
  readonly fault: Fault;
  readonly when: Moment;
  readonly forMs: number;
}

/** Has this process die, stop or hang exactly where it was told to, which nobody from outside could time. */
export class Ordeal {
  #next: Sentence | undefined;

  /** @param announce is called just before */
  constructor(
    private readonly recorder: Recorder,
    private readonly announce: (sentence: Sentence) => void,
  ) {}

  /** The next time that the moment comes. */
  suffer(sentence: Sentence): void {
    this.#next = sentence;
  }

  /** The moment has come; returns after the fault, if it does. */
  reach(when: Moment): void {
    if (this.#next?.when !== when) return;
    const sentence = this.#next;
    const { fault, forMs } = sentence;
    this.#next = undefined;
    this.recorder.note({ what: 'fault', fault, when });
    this.announce(sentence);
    if (fault === 'die') process.kill(process.pid, 'SIGKILL');
    else if (fault === 'stop') process.kill(process.pid, 'SIGSTOP');
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
  }
}
