/**
 * What the sections of a round say about handing over: from the call of `release()` to the moment when another caller, in
 * whichever process, has the lock. A caller that takes its own lock again keeps it, which is no hand-off. Throws when two
 * had it at once, or a fencing token does not increase.
 */
export function handOffsAmong(callers) {
  return (sections) => {
    const granted = sections.toSorted((a, b) => a.grantedAt - b.grantedAt);
    const toOthers = [];
    for (const [index, section] of granted.entries()) {
      if (index === 0) continue;
      const before = granted[index - 1];
      if (section.grantedAt < before.releasedAt) throw new Error('Two callers held the lock at once.');
      if (section.token <= before.token) throw new Error(`Token ${before.token} was followed by ${section.token}.`);
      if (section.caller !== before.caller) toOthers.push(section.grantedAt - before.releasedAt);
    }
    const sorted = toOthers.toSorted((a, b) => a - b);
    const grants = granted.length - 1;
    // In grants rather than in time, so whatever slows the machine down does not count.
    const turnsOf = ({ askedAt }, index) => index - granted.findIndex(({ grantedAt }) => grantedAt > askedAt);
    const longestWaitMs = Math.max(...sections.map(({ askedAt, grantedAt }) => grantedAt - askedAt));
    const meanMs = (granted.at(-1).grantedAt - granted[0].grantedAt) / grants;
    return {
      operations: sections.length,
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      keptPercent: (100 * (grants - toOthers.length)) / grants,
      longestWaitMs,
      // One that gets what it is due waits once for each of the callers.
      fairShares: longestWaitMs / (callers * meanMs),
      mostTurns: Math.max(...granted.map(turnsOf)),
      refusals: sections.reduce((sum, { refusals }) => sum + refusals, 0),
    };
  };
}

/** Of several rounds the worst, since nobody may starve in any of them. */
export function worst(field) {
  return ({ rounds }) => Math.max(...rounds.map(({ figures }) => figures[field]));
}

export const HAND_OFF_COLUMNS = [
  ['hand-off p50 ms', ({ figures }) => figures.p50Ms.toFixed(2)],
  ['p99 ms', ({ figures }) => figures.p99Ms.toFixed(2)],
  ['kept %', ({ figures }) => figures.keptPercent.toFixed(0)],
  ['longest wait ms', (row) => worst('longestWaitMs')(row).toFixed(0)],
  ['fair shares', (row) => worst('fairShares')(row).toFixed(2)],
  ['most turns waited', (row) => worst('mostTurns')(row).toFixed(0)],
  ['gave up', ({ figures }) => figures.refusals.toFixed(0)],
];

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
