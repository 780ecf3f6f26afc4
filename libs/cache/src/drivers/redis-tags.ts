import { randomBytes } from 'node:crypto';
import { RedisScript } from '@nuthatch/redis/internal';
import type { TagChanges, TagState } from './cache-driver.js';
import type { RedisCalls } from './redis-calls.js';

const REMEMBERED_TAGS = 200_000;
const CHANGES_PER_CALL = 10_000;

/** The counter of tag invalidations, and the last stamps, in Redis. */
export class RedisTags {
  /** Of the counter. */
  readonly key: string;
  readonly #stampsKey: string;
  readonly #invalidate = RedisScript.load(new URL('./invalidate-tags.lua', import.meta.url), { keys: 2 });
  readonly #changes = RedisScript.load(new URL('./tag-changes.lua', import.meta.url), { keys: 2 });
  #lastRead: { readonly text: string | null; readonly state: TagState | undefined } = { text: null, state: undefined };

  constructor(
    root: string,
    private readonly calls: RedisCalls,
  ) {
    this.key = `${root}{tags}`;
    this.#stampsKey = `${this.key}:stamps`;
  }

  async state(): Promise<TagState | undefined> {
    return this.stateOf((await this.calls.call('get', [this.key])) as string | null);
  }

  /** Read along with every entry, and seldom another than before. */
  stateOf(reply: string | Buffer | null): TagState | undefined {
    const text = Buffer.isBuffer(reply) ? reply.toString('latin1') : reply;
    if (text !== this.#lastRead.text) this.#lastRead = { text, state: readState(text ?? '') };
    return this.#lastRead.state;
  }

  async changes(known: TagState | undefined): Promise<TagChanges> {
    const args = [newEpoch(), CHANGES_PER_CALL, known?.epoch ?? '', known?.seq ?? 0];
    const reply = await this.calls.runAgain(this.#changes, [this.key, this.#stampsKey], args);
    const [state, since, ...pairs] = reply as string[];
    const stamps: [string, number][] = [];
    for (let index = 0; index < pairs.length; index += 2) stamps.push([pairs[index]!, Number(pairs[index + 1])]);
    return { state: readState(state!)!, stamps, since: Number(since) };
  }

  async stamps(tags: readonly string[], epoch: string): Promise<number[] | undefined> {
    const members = [epochMember(epoch), ...tags];
    const [mark, ...stamps] = (await this.calls.call('zmscore', [this.#stampsKey, ...members])) as (string | null)[];
    return mark === null ? undefined : stamps.map((stamp) => Number(stamp ?? 0));
  }

  async invalidate(tags: readonly string[]): Promise<TagState | undefined> {
    const keys = [this.key, this.#stampsKey];
    try {
      const reply = await this.calls.runAgain(this.#invalidate, keys, [newEpoch(), REMEMBERED_TAGS, ...tags]);
      return readState(reply as string);
    } catch (error) {
      // A full server takes no stamps, but it lets go of all of them.
      if (!(error instanceof Error) || !/\bOOM\b/.test(error.message)) throw error;
      await this.forget();
      return undefined;
    }
  }

  async forget(): Promise<void> {
    await this.calls.call('unlink', [this.key, this.#stampsKey]);
  }
}

/** Stands among the stamps of an epoch, see invalidate-tags.lua; it has gone when they have. */
function epochMember(epoch: string): string {
  return `\0${epoch}`;
}

function newEpoch(): string {
  return randomBytes(6).toString('hex');
}

function readState(text: string): TagState | undefined {
  const [, epoch, seq, floor] = /^(\w+)\.(\d+)\.(\d+)$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch, seq: Number(seq), floor: Number(floor) };
}
