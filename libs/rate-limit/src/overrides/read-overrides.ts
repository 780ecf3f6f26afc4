import { MOST_OVERRIDES } from './override-store.js';
import { parseOverride, type LimitOverride } from './override-entry.js';

// Longer subjects are stored by their digest.
const LONGEST_SUBJECT = 128;

export interface ReadOverrides {
  readonly overrides: readonly LimitOverride[];
  /** Why a field is ignored: a sentence without its subject. */
  readonly wrong: ReadonlyMap<string, string>;
}

/**
 * Reads all that is stored, whoever has written it.
 *
 * @param check whether there is such a policy, as others may have one that this process has not; throws for a limit that it
 *   cannot have
 */
export function readOverrides(
  stored: ReadonlyMap<string, string>,
  check: (policy: string, limit: number) => boolean,
): ReadOverrides {
  const overrides: LimitOverride[] = [];
  const wrong = new Map<string, string>();
  let subjects = 0;
  for (const [field, json] of stored) {
    const override = parseOverride(field, json);
    if (override?.subject === '' || (override?.subject?.length ?? 0) > LONGEST_SUBJECT) {
      wrong.set(field, 'has a subject that is empty or too long.');
    } else if (!override) {
      wrong.set(field, 'is no override. Write for example {"v":1,"limit":100}.');
    } else if (override.subject !== undefined && ++subjects > MOST_OVERRIDES) {
      wrong.set(field, `is more than the ${MOST_OVERRIDES} that there may be.`);
    } else {
      try {
        if (check(override.policy, override.limit)) overrides.push(override);
      } catch (error) {
        wrong.set(field, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return { overrides, wrong };
}
