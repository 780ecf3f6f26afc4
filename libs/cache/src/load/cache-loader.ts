import type { ResolvedEntryOptions } from '../cache.options.js';
import type { EntryReader, Found, Hit } from '../shared/entry-reader.js';
import { freezeDeep, type FrozenValue } from '../local/frozen.js';
import type { LocalTier } from '../local/local-tier.js';
import type { Slot } from '../local/slot.js';
import { isOutage, type RedisTrouble } from '../outage/redis-trouble.js';
import { readAlike, type Scope } from '../scope.js';
import type { SharedTier } from '../shared/shared-tier.js';
import type { TagMirror } from '../tags/tag-mirror.js';
import { Backoff } from './backoff.js';
import { LEASE_MS, Leases, type Lease } from './lease.js';
import { LeaseWaits, noLongerThan, type Woken } from './lease-waits.js';
import { LoadChain } from './load-chain.js';
import { LONGEST_MS, LoadRunner, type Loaded, type LoadRequest } from './load-runner.js';
import { Party } from './party.js';
import type { WakeUps } from './wake-ups.js';

interface Load {
  readonly scope: Scope;
  readonly result: Promise<Loaded>;
  /** Why it has no lease: that of another process, or Redis is away, or refuses. */
  readonly beside?: string | undefined;
  /** The version that is replaced. */
  readonly version?: string | undefined;
}

interface LoadWay {
  readonly kind: 'load';
  readonly load: Load;
  readonly stale?: Hit | undefined;
  readonly first: object;
}

/** What a look at the tiers leads to. */
type Way =
  | { readonly kind: 'hit'; readonly hit: Hit; readonly fresh: boolean }
  | LoadWay
  | { readonly kind: 'wait'; readonly woken: Woken };

// As long as a load may keep its lease; then a caller loads for itself.
const WAIT_MS = 65_000;
// A loader that waits for another process may hold what that one waits for.
const NESTED_WAIT_MS = 2_000;
const AHEAD_EVERY_MS = 1_000;
const ATTEMPTS = 8;

/**
 * Finds values or has them loaded: once per key, in whichever process. A caller joins a load only after it has seen, by a
 * read of its own, that the lease of that load still stands; so what was deleted before the call is not served to it.
 */
export class CacheLoader {
  /** Which loads wait for which. */
  readonly chain = new LoadChain();
  readonly leases: Leases;
  readonly #runner: LoadRunner;
  readonly #backoff = new Backoff();
  /** Those whose first command is not yet on its way. */
  #parties = new Map<string, Party>();
  // A new one: clear() links the table of a Map to its next, and one such table that has grown old keeps all of them alive.
  readonly #closeParties = (): void => void (this.#parties = new Map());
  /** Loads under a lease of this process, by its token. */
  readonly #leased = new Map<string, Load>();
  readonly #refreshes = new Map<string, Load>();
  readonly #unleased = new Map<string, Load>();
  readonly #waits: LeaseWaits;
  readonly #ahead = new Map<string, number>();

  constructor(
    private readonly shared: SharedTier,
    private readonly reader: EntryReader,
    private readonly local: LocalTier | undefined,
    private readonly tags: TagMirror,
    private readonly trouble: RedisTrouble,
    wakeUps: WakeUps,
  ) {
    this.leases = new Leases(shared, trouble);
    this.#waits = new LeaseWaits(reader, trouble, wakeUps, (name) => this.#forgetRead(name));
    this.#runner = new LoadRunner(shared, local, tags, this.chain, trouble);
  }

  /** @param onRead called once it is known whether there is something to load */
  load(request: LoadRequest, onRead?: () => void): Promise<FrozenValue> {
    const { scope, name, entry } = request;
    // Who is inside of a loader has less patience than others, and may not wait for itself.
    const shares = entry.coalesce !== false && !this.chain.inside;
    const others = shares ? this.#parties.get(name) : undefined;
    const joins = others !== undefined && others.suits(scope, entry);
    const party = joins ? others : new Party(scope, entry);
    if (onRead) party.tell(onRead);
    if (joins) {
      party.join();
      return party.result;
    }
    if (shares && !others?.open) {
      if (this.#parties.size === 0) process.nextTick(this.#closeParties);
      this.#parties.set(name, party);
    }
    return (party.result = this.#load(request, party));
  }

  /** A hit in process whose end is near is loaded anew in the background. */
  refreshSlot(request: LoadRequest, slot: Slot, now: number): void {
    const { refreshAhead } = request.entry;
    if (refreshAhead === undefined) return;
    const { header } = slot;
    const due = Math.min(
      slot.freshUntil - header.ttlMs * (1 - refreshAhead),
      slot.freshUntil - header.loadMs * slot.luck,
    );
    if (now >= due) this.#refreshInBackground(request, slot);
  }

  /** Loads anew, whatever there is. */
  async refresh(request: LoadRequest): Promise<FrozenValue> {
    await this.#knowTags();
    const lease = await this.leases.takeOver(request.name);
    if (!lease) return this.#runner.run(request, undefined, undefined);
    return this.#loadLeased(request, lease, {}).load.result;
  }

  /** Whoever asks from now on does not get the result of what is under way. */
  forget(name: string): void {
    this.#unleased.delete(name);
    this.#forgetRead(name);
  }

  /** The same for all keys. */
  forgetAll(): void {
    this.#unleased.clear();
    this.#closeParties();
    this.reader.forgetAll();
  }

  /** Tells running loaders to stop, and waits for what they leave behind, for at most `ms`. */
  async drain(ms: number): Promise<void> {
    this.#waits.closed = true;
    this.#runner.abort();
    const running = [...this.#leased.values(), ...this.#refreshes.values()].map(({ result }) => result);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([Promise.allSettled(running), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
    clearTimeout(timer);
  }

  /** What was seen before is not what there is now. */
  #forgetRead(name: string): void {
    this.#parties.delete(name);
    this.reader.forget(name);
  }

  async #load(request: LoadRequest, party: Party): Promise<FrozenValue> {
    const { scope, name, entry } = request;
    const giveUpAt = performance.now() + (this.chain.inside ? NESTED_WAIT_MS : WAIT_MS);
    let waited = false;
    let seen: Found | undefined;
    for (let attempt = 1; ; attempt++) {
      const alone = this.#waits.closed || performance.now() >= giveUpAt || attempt > ATTEMPTS;
      const way = await this.#look(request, party, alone, 1, seen);
      seen = undefined;
      party.open = false;
      party.noteRead();
      if (way.kind === 'hit') {
        scope.counters.add(way.fresh ? 'sharedHits' : 'staleServes', party.size);
        if (way.fresh) this.#refreshAhead(request, way.hit);
        return party.size > 1 ? this.#frozen(way.hit) : way.hit;
      }
      if (way.kind === 'wait') {
        if (!waited) scope.counters.add('coalesced', party.size);
        waited = true;
        const woken = this.chain.waiting(name, way.woken);
        // Who is inside of a loader may have to give up sooner than the others.
        seen = await (this.chain.inside ? noLongerThan(giveUpAt, woken) : woken);
        attempt -= 1;
        continue;
      }
      const joined = way.first !== party;
      if (attempt === 1 && !joined) scope.counters.add('misses');
      if (joined && this.chain.closesAt(name)) {
        return this.chain.waiting(name, this.#runner.run(request, undefined, way.stale));
      }
      const guests = joined ? party.size : party.size - 1;
      if (guests > 0) scope.counters.add('coalesced', guests);
      const loaded = await this.#result(way.load, way.stale, request);
      // The tags of a value are known only once it is there, and may have been invalidated before this caller came.
      if (!joined || !('tags' in loaded) || (await this.#isValid(loaded, entry))) return loaded;
    }
  }

  /** @param seen what was read a moment ago, after the caller came */
  async #look(request: LoadRequest, caller: object, alone: boolean, looks: number, seen?: Found): Promise<Way> {
    const { scope, name, entry } = request;
    if (looks > ATTEMPTS) return this.#loadUnleased(request, caller, 'refused');
    let stale: Hit | undefined;
    try {
      const found = seen ?? (await this.reader.readOwn(scope, name));
      if (found.state === 'fresh') return { kind: 'hit', hit: found.hit, fresh: true };
      if (found.state === 'stale') {
        stale = this.#frozen(found.hit);
        return await this.#refreshStale(request, stale, caller);
      }
      return await this.#lease(request, found, caller, alone, looks);
    } catch (error) {
      if (entry.onOutage === 'throw' || !this.trouble.isCause(error)) throw error;
      scope.counters.add('outages');
      if (!isOutage(error)) return this.#loadUnleased(request, caller, 'refused', stale);
      const hit = this.local?.remains(name, scope.index);
      return hit ? { kind: 'hit', hit, fresh: false } : this.#loadUnleased(request, caller, 'away', stale);
    }
  }

  async #lease(request: LoadRequest, found: Found, caller: object, alone: boolean, looks: number): Promise<Way> {
    const { name, entry } = request;
    const own = found.state === 'lease' ? this.#leasedBy(found.token, request.scope) : undefined;
    if (own && entry.coalesce !== false) return { kind: 'load', load: own, first: own };
    const waiting =
      found.state === 'lease' && !alone && entry.coalesce === 'cluster' && this.#waits.underWay(found.token);
    if (waiting) return { kind: 'wait', woken: waiting };
    // Before the question, so that a change right after the answer is not missed.
    let waiter = entry.coalesce === 'cluster' && !alone ? this.#waits.waiter(name) : undefined;
    const token = this.leases.newToken();
    const over = found.state === 'absent' ? found.over : undefined;
    try {
      const [reply] = await Promise.all([
        this.shared.run((driver) => driver.lease(name, token, LEASE_MS, over)),
        this.#knowTags(),
      ]);
      if (reply.state === 'granted')
        return this.#loadLeased(request, { token, kind: 'placeholder', version: undefined }, caller);
      if (reply.state === 'value') {
        // Somebody was faster. If it is of no use either, then not for ever.
        this.reader.forget(name);
        return await this.#look(request, caller, alone, looks + 1);
      }
      const same = this.#leasedBy(reply.token, request.scope);
      if (same && entry.coalesce !== false) return { kind: 'load', load: same, first: same };
      if (!waiter) return this.#loadUnleased(request, caller, reply.token);
      const woken = this.#waits.wait(request, reply.token, waiter, reply.forMs);
      waiter = undefined;
      return { kind: 'wait', woken };
    } finally {
      waiter?.cancel();
    }
  }

  /** What a load finds may have tags, whose state has to be known as of before it; or it is not stored. */
  async #knowTags(): Promise<void> {
    if (this.tags.stamp) return;
    try {
      await this.shared.run(() => this.tags.catchUp());
    } catch (error) {
      if (!this.trouble.isCause(error)) throw error;
    }
  }

  /** The load of this process under that lease, if what it gives is also for that scope. */
  #leasedBy(token: string, scope: Scope): Load | undefined {
    const load = this.#leased.get(token);
    return load && readAlike(load.scope, scope) ? load : undefined;
  }

  async #refreshStale(request: LoadRequest, stale: Hit, caller: object): Promise<Way> {
    const { name } = request;
    const { version } = stale.header;
    const running = this.#refreshes.get(name);
    if (running?.version === version && readAlike(running.scope, request.scope))
      return { kind: 'load', load: running, stale, first: running };
    if (this.#backoff.pauses(name)) return { kind: 'hit', hit: stale, fresh: false };
    const token = this.leases.newToken();
    const [granted] = await Promise.all([
      this.shared.run((driver) => driver.leaseRefresh(name, token, LEASE_MS)),
      this.#knowTags(),
    ]);
    if (!granted) return { kind: 'hit', hit: stale, fresh: false };
    return this.#loadLeased(request, { token, kind: 'refresh', version }, caller, stale);
  }

  #loadLeased(request: LoadRequest, lease: Lease, caller: object, stale?: Hit): LoadWay {
    const { name } = request;
    const result = this.#runner.run(request, lease, stale).finally(() => {
      this.#leased.delete(lease.token);
      this.#forgetRead(name);
      if (this.#refreshes.get(name) === load) this.#refreshes.delete(name);
    });
    const load: Load = { scope: request.scope, result: this.#noted(name, result), version: lease.version };
    if (lease.kind === 'placeholder') this.#leased.set(lease.token, load);
    else this.#refreshes.set(name, load);
    return { kind: 'load', load, stale, first: caller };
  }

  /** Shared, too, by the callers of this process that have seen the same. */
  #loadUnleased(request: LoadRequest, caller: object, beside: string, stale?: Hit): Way {
    const { name, entry } = request;
    const running = entry.coalesce === false ? undefined : this.#unleased.get(name);
    if (running?.beside === beside && readAlike(running.scope, request.scope))
      return { kind: 'load', load: running, stale, first: running };
    const result = this.#runner.run(request, beside === 'away' ? beside : undefined, stale).finally(() => {
      if (this.#unleased.get(name) === load) this.#unleased.delete(name);
      this.#forgetRead(name);
    });
    const load: Load = { scope: request.scope, result: this.#noted(name, result), beside };
    if (entry.coalesce !== false) this.#unleased.set(name, load);
    return { kind: 'load', load, stale, first: caller };
  }

  #noted(name: string, result: Promise<Loaded>): Promise<Loaded> {
    result.then(
      () => this.#backoff.succeeded(name),
      () => this.#backoff.failed(name),
    );
    return result;
  }

  /** The result of a load, or the earlier value when it fails or takes too long. */
  async #result(load: Load, stale: Hit | undefined, { scope, name, entry }: LoadRequest): Promise<Loaded | Hit> {
    const result = this.chain.waiting(name, load.result);
    if (!stale) return result;
    let timer: NodeJS.Timeout | undefined;
    const { softTimeoutMs } = entry;
    const patience = new Promise<undefined>((resolve) => {
      if (softTimeoutMs !== undefined) timer = setTimeout(resolve, Math.min(softTimeoutMs, LONGEST_MS), undefined);
    });
    try {
      const loaded = softTimeoutMs === undefined ? await result : await Promise.race([result, patience]);
      if (loaded && !loaded.skipped) return loaded;
    } catch {
      // Counted where it was loaded; that there is an earlier value for such a case is what grace is for.
    } finally {
      clearTimeout(timer);
      result.catch(() => 'nobody waits for it any more');
    }
    scope.counters.add('staleServes');
    return stale;
  }

  async #isValid({ stamp, tags }: Loaded, entry: ResolvedEntryOptions): Promise<boolean> {
    if (tags.length === 0 || !stamp) return true;
    try {
      return await this.reader.tagsAreValid({ stamp, tags }, false);
    } catch (error) {
      if (entry.onOutage === 'throw' || !this.trouble.isCause(error)) throw error;
      return true;
    }
  }

  #refreshAhead(request: LoadRequest, hit: Hit): void {
    const { refreshAhead } = request.entry;
    if (refreshAhead === undefined || hit.header.version === '') return;
    const { writtenAt, ttlMs, loadMs } = hit.header;
    const ageMs = this.shared.now() - writtenAt;
    const luck = -Math.log(1 - Math.random());
    if (ageMs >= ttlMs * refreshAhead || ageMs >= ttlMs - loadMs * luck) this.#refreshInBackground(request, hit);
  }

  #refreshInBackground(request: LoadRequest, hit: Hit): void {
    const { scope, name } = request;
    const now = performance.now();
    if (now < (this.#ahead.get(name) ?? 0)) return;
    this.#ahead.set(name, now + AHEAD_EVERY_MS);
    if (this.#ahead.size > 1_000) this.#ahead.delete(this.#ahead.keys().next().value!);
    const caller = {};
    this.#refreshStale(request, hit, caller)
      .then((way) => {
        if (way.kind !== 'load' || way.first !== caller) return undefined;
        scope.counters.add('refreshes');
        return way.load.result;
      })
      .catch(() => 'the value that is there is good for the rest of its time');
  }

  /** What was read for one caller, for several. */
  #frozen(hit: Hit): Hit {
    return this.local ? hit : { ...hit, copies: freezeDeep(hit.value).copies };
  }
}
