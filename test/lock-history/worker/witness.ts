import type { LockDriver, LockListener } from '../../../libs/lock/src/drivers/lock-driver.js';
import { machineTime } from '../history/events.js';
import type { Recorder } from '../history/recorder.js';
import type { Ordeal } from './ordeal.js';

// performance.now() is the same clock, from another start.
const ORIGIN = machineTime() - performance.now();

/** The locks of the workers are in hash tags, and their names need no escape. */
const nameOf = (key: string): string => /\{(.*)\}/.exec(key)?.[1] ?? key;

/** Writes down what passes between the core and every driver of this class; drivers must be made afterwards. */
export function witness(driver: LockDriver, recorder: Recorder, ordeal: Ordeal): void {
  const { acquire, beat, leave, renew, release, listen } = driver;
  const since = ({ monotonic }: { readonly monotonic: number }): number => monotonic + ORIGIN;

  driver.acquire = async function (this: LockDriver, claims, queue, giveUpAt) {
    const sentAt = machineTime();
    const ids = claims.map(({ id }) => id);
    recorder.note(
      { what: 'claiming', claims: claims.map(({ id, key, ttlMs }) => ({ id, key: nameOf(key), ttlMs })) },
      sentAt,
    );
    try {
      const answer = await acquire.call(this, claims, queue, giveUpAt);
      recorder.note({
        what: 'claimed',
        ids,
        sentAt,
        state: answer.state,
        ...(answer.state === 'granted' && { token: String(answer.token) }),
        ...(answer.state !== 'busy' && { since: since(answer.since) }),
      });
      if (answer.state === 'waiting') ordeal.reach('queued');
      return answer;
    } catch (error) {
      recorder.note({ what: 'claimed', ids, sentAt, state: 'failed' });
      throw error;
    }
  };

  driver.beat = async function (this: LockDriver, waiting, giveUpAt) {
    const sentAt = machineTime();
    const answer = await beat.call(this, waiting, giveUpAt);
    const tokens = answer.tokens.map((token) => (token === undefined ? null : String(token)));
    const lastToken = String(answer.lastToken);
    const ids = waiting.map(({ id }) => id);
    recorder.note({ what: 'beaten', ids, sentAt, since: since(answer.since), tokens, lastToken });
    return answer;
  };

  driver.leave = async function (this: LockDriver, claim) {
    recorder.note({ what: 'leaving', id: claim.id });
    const answer = await leave.call(this, claim);
    recorder.note({ what: 'gone', id: claim.id });
    return answer;
  };

  driver.renew = async function (this: LockDriver, renewals, giveUpAt) {
    const answers = await renew.call(this, renewals, giveUpAt);
    recorder.note({
      what: 'renewed',
      ids: renewals.map(({ id }) => id),
      ttls: renewals.map(({ ttlMs }) => ttlMs),
      states: answers.map(({ state }) => state),
      since: answers.map((answer) => (answer.state === 'renewed' ? since(answer.since) : null)),
      tokens: answers.map((answer) => (answer.state === 'renewed' ? String(answer.token) : null)),
    });
    return answers;
  };

  driver.release = async function (this: LockDriver, holds, options) {
    const ids = holds.map(({ id }) => id);
    recorder.note({ what: 'ending', ids });
    try {
      const outcome = await release.call(this, holds, options);
      recorder.note({ what: 'ended', ids, outcome });
      return outcome;
    } catch (error) {
      recorder.note({ what: 'ended', ids, outcome: 'failed' });
      throw error;
    }
  };

  driver.listen = function (this: LockDriver, listener: LockListener) {
    return listen.call(this, {
      granted: (id, token, key) => {
        recorder.note({ what: 'told', id, token: String(token) });
        ordeal.reach('handed');
        listener.granted(id, token, key);
      },
      forced: (id) => listener.forced(id),
      gap: () => listener.gap(),
      moved: () => listener.moved(),
    });
  };
}
