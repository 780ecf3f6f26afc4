import { ClaimStory } from './claim-story.js';
import type { Window } from './conditions.js';
import type { AttemptEvent, HistoryEvent } from './events.js';
import type { ClaimHistory, History, HoldHistory, ProcessHistory } from './history.js';

type Of<W> = Extract<AttemptEvent, { readonly what: W }>;

/** Reads the events of one process in their order. */
export class ProcessStory {
  readonly #claims = new Map<string, ClaimStory>();
  /** By key and token, also the tokens that renewals have raised them to. */
  readonly #granted = new Map<string, ClaimStory>();
  readonly #attempts = new Map<number, AttemptEvent[]>();
  readonly #stalls: Window[] = [];
  readonly #troubles: string[] = [];
  readonly #forces: History['forces'][number][] = [];
  #lastAt = 0;
  #finished = false;

  constructor(
    private readonly name: string,
    private readonly liveMs: number,
  ) {}

  read(event: HistoryEvent): void {
    const { at } = event;
    this.#lastAt = Math.max(this.#lastAt, at);
    if ('attempt' in event) {
      const attempt = this.#attempts.get(event.attempt);
      if (attempt) attempt.push(event);
      else this.#attempts.set(event.attempt, [event]);
      return;
    }
    switch (event.what) {
      case 'claiming':
        for (const { id, key, ttlMs } of event.claims)
          if (!this.#claims.has(id)) this.#claims.set(id, new ClaimStory(this.name, id, key, ttlMs, this.liveMs, at));
        return;
      case 'claimed':
        for (const claim of this.#named(event.ids)) {
          if (event.state === 'waiting') claim.waits(event.sentAt, event.since!, at);
          if (event.state !== 'granted') continue;
          claim.granted(BigInt(event.token!), event.sentAt, event.since!, at);
          this.#hasToken(claim, event.token!);
        }
        return;
      case 'beaten':
        this.#named(event.ids).forEach((claim, index) => {
          const token = event.tokens[index];
          if (token === null || token === undefined) {
            claim.lostUpTo = BigInt(event.lastToken);
            return claim.waits(event.sentAt, event.since, at);
          }
          claim.told(BigInt(token), at);
          this.#hasToken(claim, token);
        });
        return;
      case 'told':
        for (const claim of this.#named([event.id])) {
          // News of a grant that the store has taken back since, as this process stood still.
          if (BigInt(event.token) <= claim.lostUpTo) continue;
          claim.told(BigInt(event.token), at);
          this.#hasToken(claim, event.token);
        }
        return;
      case 'leaving':
        for (const claim of this.#named([event.id])) claim.leaves(at);
        return;
      case 'gone':
        for (const claim of this.#named([event.id])) claim.gone(at);
        return;
      case 'renewed':
        this.#named(event.ids).forEach((claim, index) => {
          const [since, token] = [event.since[index], event.tokens[index]];
          if (event.states[index] !== 'renewed') claim.lost = true;
          else if (typeof since === 'number') claim.confirmed(since, event.ttls[index]!, at);
          if (typeof token === 'string') this.#hasToken(claim, token);
        });
        return;
      case 'ended':
        if (event.outcome === 'failed') return;
        for (const claim of this.#named(event.ids)) {
          claim.gone(at);
          claim.endedAs = event.outcome;
        }
        return;
      case 'stalled':
        this.#stalls.push({ from: event.from, to: at });
        return;
      case 'forced':
        this.#forces.push({ key: event.key, from: event.sentAt, to: at });
        return;
      case 'trouble':
        this.#troubles.push(event.message);
        return;
      case 'finished':
        this.#finished = true;
    }
  }

  tell(): { process: ProcessHistory; holds: HoldHistory[]; claims: ClaimHistory[]; forces: History['forces'] } {
    const process = {
      name: this.name,
      stalls: this.#stalls,
      endedAt: this.#lastAt,
      killed: !this.#finished,
      troubles: this.#troubles,
    };
    const holds = [...this.#attempts.values()].flatMap((events) => this.#hold(events));
    return { process, holds, claims: [...this.#claims.values()].map((claim) => claim.tell()), forces: this.#forces };
  }

  #named(ids: readonly string[]): ClaimStory[] {
    return ids.flatMap((id) => this.#claims.get(id) ?? []);
  }

  #hasToken(claim: ClaimStory, token: string): void {
    this.#granted.set(`${claim.key} ${token}`, claim);
  }

  #hold(events: readonly AttemptEvent[]): HoldHistory[] {
    const first = <W extends AttemptEvent['what']>(what: W): Of<W> | undefined =>
      events.find((event): event is Of<W> & AttemptEvent => event.what === what);
    const [asked, granted] = [first('asked'), first('granted')];
    if (!asked || !granted) return [];
    const claims = asked.keys.flatMap((key) => this.#granted.get(`${key} ${granted.token}`) ?? []);
    const validUntil = (knownAt?: number): number => {
      const confirmed = claims.flatMap((claim) => claim.validUntil(knownAt) ?? []);
      return confirmed.length > 0 ? Math.min(...confirmed) : granted.at + granted.validForMs;
    };
    const aborted = events.find((event) => event.what === 'aborted' && event.why !== 'LOCK_RELEASED') as
      Of<'aborted'> | undefined;
    return [
      {
        process: this.name,
        attempt: asked.attempt,
        keys: asked.keys,
        token: BigInt(granted.token),
        askedAt: asked.at,
        grantedAt: granted.at,
        validUntil: validUntil(),
        believedUntil: validUntil(aborted?.at),
        lost: claims.some(({ lost }) => lost) || aborted?.why === 'LOCK_FORCED',
        endedAs: claims.find(({ endedAs }) => endedAs !== 'released')?.endedAs,
        abortedAt: aborted?.at,
        abortedFor: aborted?.why,
        endedAt: Math.min(first('left')?.at ?? this.#lastAt, first('releasing')?.at ?? this.#lastAt),
        checks: events.filter((event) => event.what === 'checked'),
        read: first('read'),
        wrote: first('wrote'),
        fenced: events.filter((event) => event.what === 'fenced'),
        releasingAt: first('releasing')?.at,
        releases: events.filter((event) => event.what === 'released'),
      },
    ];
  }
}
