import { slotOf } from '@nuthatch/redis/internal';
import type { Charge, Decision, Settlement, Verdict } from './rate-limit-driver.js';

interface Part {
  readonly charges: readonly Charge[];
  /** Where these stand among all charges. */
  readonly places: readonly number[];
}

/**
 * Decides charges whose keys are on several servers of a Cluster: all of them at the same time, and what was charged is given
 * back where another denies it. Meanwhile others may be denied, and never too many admitted.
 */
export async function decideAcross(
  charges: readonly Charge[],
  operation: number,
  decide: (charges: readonly Charge[]) => Promise<Decision>,
  undo?: (settlements: readonly Settlement[]) => Promise<void>,
): Promise<Decision> {
  const parts = partsOf(charges);
  const results = await Promise.allSettled(parts.map((part) => decide(part.charges)));
  const failed = results.find((result) => result.status === 'rejected');
  const allowed = !failed && results.every((result) => result.status === 'fulfilled' && result.value.allowed);
  if (!allowed && undo) {
    const charged = parts.flatMap((part, index) => {
      const result = results[index]!;
      return result.status === 'fulfilled' && result.value.allowed ? takenBack(part, result.value, operation) : [];
    });
    // What cannot be given back runs off by itself: it may deny too much for a while, and never admits too much.
    if (charged.length > 0) await undo(charged).catch(() => undefined);
  }
  if (failed) throw failed.reason;
  return merge(
    parts,
    results.map((result) => (result as PromiseFulfilledResult<Decision>).value),
    allowed || !undo,
    charges.length,
    allowed,
  );
}

function partsOf(charges: readonly Charge[]): Part[] {
  const bySlot = new Map<number, { charges: Charge[]; places: number[] }>();
  for (const [place, charge] of charges.entries()) {
    const slot = slotOf(charge.key);
    const part = bySlot.get(slot) ?? { charges: [], places: [] };
    bySlot.set(slot, part);
    part.charges.push(charge);
    part.places.push(place);
  }
  return [...bySlot.values()];
}

function takenBack({ charges }: Part, { nowUs, verdicts }: Decision, operation: number): Settlement[] {
  let at = 0;
  return charges.flatMap(({ key, rules }) =>
    rules.flatMap((rule): Settlement[] => {
      const { ok, resetUs } = verdicts[at++]!;
      return ok ? [{ key, rule, back: rule.cost, operation, chargedAtUs: nowUs, resetUs }] : [];
    }),
  );
}

/** @param kept whether what was charged stays charged, or nothing was */
function merge(
  parts: readonly Part[],
  decisions: readonly Decision[],
  kept: boolean,
  charges: number,
  allowed: boolean,
): Decision {
  const verdicts: Verdict[][] = Array.from({ length: charges }, () => []);
  const chargeTimesUs: number[] = Array.from({ length: charges }, () => 0);
  for (const [index, part] of parts.entries()) {
    const decision = decisions[index]!;
    let at = 0;
    for (const [number, { rules }] of part.charges.entries()) {
      const place = part.places[number]!;
      chargeTimesUs[place] = decision.nowUs;
      const those = decision.verdicts.slice(at, at + rules.length);
      // Of a part that was charged and given back, it is as if it had not been.
      const regained = decision.allowed && !kept;
      verdicts[place] = those.map((verdict, rule) =>
        regained && verdict.ok ? { ...verdict, remaining: verdict.remaining + rules[rule]!.cost } : verdict,
      );
      at += rules.length;
    }
  }
  return { allowed, nowUs: Math.max(...chargeTimesUs), chargeTimesUs, verdicts: verdicts.flat() };
}
