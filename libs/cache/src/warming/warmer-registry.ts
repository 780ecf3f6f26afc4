import { joinKey, parseDuration } from '@nuthatch/redis/internal';
import type { Warmer, WarmTask } from './warm-task.js';
import { UnknownWarmerError } from './warming.errors.js';

/** A warmer as it was declared, unchecked. */
export interface WarmerDeclaration {
  readonly name: unknown;
  readonly every: unknown;
  readonly task: WarmTask;
  readonly place: string;
}

/** The warmers of the application by name. */
export class WarmerRegistry {
  readonly #warmers = new Map<string, Warmer>();

  /** Returns the warmer, or notes in `mistakes` why there is none. */
  add({ name, every, task, place }: WarmerDeclaration, mistakes: string[]): Warmer | undefined {
    const before = mistakes.length;
    const everyMs = every === undefined ? undefined : readEvery(every, place, mistakes);
    if (!isName(name, place, mistakes)) return undefined;
    const other = this.#warmers.get(name);
    if (other) {
      mistakes.push(
        `The name ${JSON.stringify(name)} is taken twice: by ${other.place} and by ${place}. Give each warmer a name of ` +
          `its own; a provider that two modules list has two instances, so list it in one and export it.`,
      );
    }
    if (mistakes.length > before) return undefined;
    const warmer = { name, task, everyMs, place };
    this.#warmers.set(name, warmer);
    return warmer;
  }

  all(): Warmer[] {
    return [...this.#warmers.values()];
  }

  /** @throws UnknownWarmerError */
  select(names: readonly string[]): Warmer[] {
    const unknown = names.filter((name) => !this.#warmers.has(name));
    if (unknown.length > 0) throw new UnknownWarmerError(unknown, [...this.#warmers.keys()]);
    return [...new Set(names)].map((name) => this.#warmers.get(name)!);
  }
}

function isName(name: unknown, place: string, mistakes: string[]): name is string {
  if (typeof name !== 'string') {
    mistakes.push(`The name of ${place} is of type ${typeof name}. Give a text, such as 'popular-events'.`);
    return false;
  }
  try {
    joinKey([name]);
    return true;
  } catch (error) {
    mistakes.push(`The name of ${place} cannot be a part of a key of Redis. ${(error as Error).message}`);
    return false;
  }
}

function readEvery(every: unknown, place: string, mistakes: string[]): number | undefined {
  try {
    return parseDuration(every, `"every" of ${place}`);
  } catch (error) {
    mistakes.push((error as Error).message);
    return undefined;
  }
}
