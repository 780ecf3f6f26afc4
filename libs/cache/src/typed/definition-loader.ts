import { CacheOptionsError, CacheValueError } from '../cache.errors.js';
import type { LoadChain } from '../load/load-chain.js';
import type { LoadContext } from '../load/load-context.js';
import { checkTags } from '../tags/tag.js';
import type { AnyCacheDefinition } from './cache-definition.js';
import { LoadBatches, type LoadCall } from './load-batches.js';
import { MisfitError } from './schema-check.js';
import type { Turn } from './turn-reads.js';

type Args = readonly unknown[];

/** Loads the values of a defined cache, by its own loader or by that of a call, with the tags that its definition gives. */
export class DefinitionLoader {
  readonly #batches: LoadBatches;

  /**
   * @param injected the providers that the definition asks for
   * @param accept what the schema makes of a value
   */
  constructor(
    private readonly definition: AnyCacheDefinition,
    private readonly injected: () => object,
    private readonly accept: ((value: unknown) => Promise<unknown>) | undefined,
    chain: LoadChain,
  ) {
    this.#batches = new LoadBatches((calls) => this.#loadMany(calls), definition.plan.batchSize, chain);
  }

  /** Whether calls of one turn of the event loop are loaded together. */
  get batches(): boolean {
    return this.definition.plan.loadMany !== undefined;
  }

  /** Whether the definition has a loader. */
  get loads(): boolean {
    return this.batches || this.definition.plan.load !== undefined;
  }

  /** Loads by the loader of the definition. */
  load(args: Args, context: LoadContext, turn?: Turn): Promise<unknown> {
    const { load, loadMany } = this.definition.plan;
    if (loadMany) return this.loadBy((own) => this.#batches.load({ args, context: own }, turn), args, context);
    if (load) return this.loadBy((own) => load(...args, { ...this.injected(), ...own }), args, context);
    throw new CacheOptionsError([
      `defineCache("${this.definition.name}") has neither load nor loadMany. Give one of them to use refresh().`,
    ]);
  }

  async loadBy(load: (context: LoadContext) => unknown, args: Args, context: LoadContext): Promise<unknown> {
    const { tagsOf, valueTagsOf } = this.definition.plan;
    // Before it runs: it may change the objects that the tags are made of.
    if (tagsOf) context.tag(...checkTags(tagsOf(...args)));
    let stores = true;
    const own = withoutThis(context, () => (stores = false));
    const value = await load(own);
    if (value === undefined) return undefined;
    if (!stores) return this.check(context.key, value);
    if (valueTagsOf) context.tag(...checkTags(valueTagsOf(value, ...args)));
    return value;
  }

  /** What the schema makes of a value. @throws CacheValueError when it refuses it */
  async check(key: string, value: unknown): Promise<unknown> {
    if (!this.accept) return value;
    try {
      return await this.accept(value);
    } catch (error) {
      if (!(error instanceof MisfitError)) throw error;
      throw new CacheValueError(`The value for "${key}" cannot be used. ${error.message}`, { cause: error });
    }
  }

  /** The tags of a value that was not loaded. */
  tagsFor(value: unknown, args: Args): readonly string[] {
    const { tagsOf, valueTagsOf } = this.definition.plan;
    return checkTags([...(tagsOf?.(...args) ?? []), ...(valueTagsOf?.(value, ...args) ?? [])]);
  }

  async #loadMany(calls: readonly LoadCall[]): Promise<readonly unknown[]> {
    const contexts = calls.map(({ context }) => context);
    const signal = AbortSignal.any(contexts.map((context) => context.signal));
    const args = calls.map((call) => call.args);
    const values: unknown = await this.definition.plan.loadMany!(args, { ...this.injected(), signal, contexts });
    if (Array.isArray(values) && values.length === calls.length) return values;
    throw new CacheValueError(
      `loadMany of the cache "${this.definition.name}" returned ${Array.isArray(values) ? values.length : 'no list of'} ` +
        `values for ${calls.length} calls. Return one for each in their order, and undefined where there is none.`,
    );
  }
}

/** The same context in an object that can be taken apart. */
function withoutThis(context: LoadContext, onNoStore: () => void): LoadContext {
  return {
    key: context.key,
    signal: context.signal,
    stale: context.stale,
    ttl: (ttl) => context.ttl(ttl),
    tag: (...tags) => context.tag(...tags),
    skip: () => context.skip(),
    noStore: () => {
      onNoStore();
      context.noStore();
    },
    notModified: () => context.notModified(),
  };
}
