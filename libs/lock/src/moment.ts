/** A moment by both clocks of this machine. */
export interface Moment {
  /** Of `performance.now()`: never set, but it may stand still while the machine sleeps. */
  readonly monotonic: number;
  /** Of `Date.now()`: goes on while the machine sleeps, but may be set. */
  readonly wall: number;
}

export function thisMoment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** How many milliseconds have passed since, by the clock that has moved further. */
export function elapsedSince({ monotonic, wall }: Moment): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall);
}
