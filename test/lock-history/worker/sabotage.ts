import type { LockDriver, LockListener } from '../../../libs/lock/src/drivers/lock-driver.js';
import type { SeededRandom } from '../seeded-random.js';
import type { Sabotage } from './worker-messages.js';

const REPEATS_WITHIN_US = 50_000n;
const LONGER_MS = 400;

/** Breaks drivers below the witness, who tells what the core is told. */
export function breakStore(driver: LockDriver, sabotage: Sabotage | undefined, random: SeededRandom): void {
  const { acquire, beat, leave, listen, release } = driver;
  const repeat = (token: bigint): bigint => token - (token % REPEATS_WITHIN_US);

  if (sabotage === 'double-grant') {
    driver.acquire = async function (this: LockDriver, claims, queue, giveUpAt) {
      const answer = await acquire.call(this, claims, queue, giveUpAt);
      if (answer.state !== 'waiting' || random.chance(0.95)) return answer;
      await leave.call(this, claims[0]!);
      return { state: 'granted', token: BigInt(Date.now()) * 1_000n, since: answer.since };
    };
  }
  if (sabotage === 'repeat-token') {
    driver.acquire = async function (this: LockDriver, claims, queue, giveUpAt) {
      const answer = await acquire.call(this, claims, queue, giveUpAt);
      return answer.state === 'granted' ? { ...answer, token: repeat(answer.token) } : answer;
    };
    driver.listen = function (this: LockDriver, listener: LockListener) {
      const granted = (id: string, token: bigint, key: string): void => listener.granted(id, repeat(token), key);
      return listen.call(this, {
        granted,
        forced: (id) => listener.forced(id),
        gap: () => listener.gap(),
        moved: () => listener.moved(),
      });
    };
  }
  if (sabotage === 'deaf') {
    driver.listen = function (this: LockDriver, listener: LockListener) {
      return listen.call(this, {
        granted: () => undefined,
        forced: (id) => listener.forced(id),
        gap: () => undefined,
        moved: () => undefined,
      });
    };
    driver.beat = async function (this: LockDriver, waiting, giveUpAt) {
      const answer = await beat.call(this, waiting, giveUpAt);
      return { ...answer, tokens: waiting.map(() => undefined) };
    };
  }
  if (sabotage === 'lying-release') {
    driver.release = async function (this: LockDriver, holds, options) {
      await release.call(this, holds, options);
      return 'stolen';
    };
  }
}

/** Breaks drivers above the witness, who tells the truth then. */
export function breakCore(driver: LockDriver, sabotage: Sabotage | undefined): void {
  if (sabotage !== 'long-validity') return;
  const { acquire, renew } = driver;
  const later = <A extends { readonly state: string }>(answer: A): A => {
    if (!('since' in answer)) return answer;
    const { monotonic, wall } = answer.since as { monotonic: number; wall: number };
    return { ...answer, since: { monotonic: monotonic + LONGER_MS, wall: wall + LONGER_MS } };
  };
  driver.acquire = async function (this: LockDriver, claims, queue, giveUpAt) {
    return later(await acquire.call(this, claims, queue, giveUpAt));
  };
  driver.renew = async function (this: LockDriver, renewals, giveUpAt) {
    return (await renew.call(this, renewals, giveUpAt)).map(later);
  };
}
