import type { CallPart } from '../call.js';
import { UNKNOWN_ADDRESS, type IpNetwork } from '../ip/ip-networks.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import { withLimit as withOtherLimit } from '../policies/with-limit.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import type { By, Caller } from './caller.js';
import type { NetworksOf } from './guard.tokens.js';
import { hasUser, userIdOf } from './user-id.js';

const HEADER = 'header:';
const NO_ADDRESS: readonly IpNetwork[] = [{ subject: UNKNOWN_ADDRESS, times: 1 }];

/** Whether the policy limits users, and nobody is known to be logged in so far. */
export function waitsForUser({ by }: Pick<ResolvedPolicy, 'by'>, caller: Caller): boolean {
  return mentions(by, 'user') && !hasUser(caller.user);
}

/** Whether whom the policy limits depends on this. */
export function mentions(by: ResolvedPolicy['by'], what: By): boolean {
  return alternativesOf(by).some((one) => (Array.isArray(one) ? one.includes(what) : one === what));
}

/**
 * Whom the policy limits in this call, and how much each of them has. None: it does not apply.
 *
 * A header that was not sent is one subject, `header:<name>:`, for all who do not send it: if the policy did not apply to
 * them, leaving the header away would be the way around it. So is an address that nobody knows, `ip:unknown`, except that
 * messages of a microservice have none at all, and no policy of addresses applies to them.
 *
 * @throws RateLimitCallError for a user without an id, and for what is wrong with the answer of a function
 */
export async function subjectsOf(
  policy: ResolvedPolicy,
  caller: Caller,
  networksOf: NetworksOf,
  withLimit = (limit: number, times: number): ResolvedPolicy => withOtherLimit(policy, limit, times),
): Promise<CallPart[]> {
  const networks: IpNetwork[] = [];
  for (const alternative of alternativesOf(policy.by)) {
    networks.push(...(await subjectsOfOne(policy, alternative, caller, networksOf)));
  }
  if (networks.length === 0) return [];
  // Its type says a number, and an async function is easily given all the same.
  const limit = policy.limitFor ? await policy.limitFor(caller) : policy.limit;
  const usual = policy.limitFor ? withLimit(limit, 1) : policy;
  return networks.map(({ subject, times }) => {
    if (times === 1) return { policy: usual, subject };
    // A wide network has no more than its policy could have at all.
    return { policy: withLimit(Math.min(limit * times, policy.mostLimit), times), subject, times };
  });
}

type Alternative = By | readonly By[];

function alternativesOf(by: ResolvedPolicy['by']): readonly Alternative[] {
  return typeof by === 'object' && 'each' in by ? by.each : [by];
}

async function subjectsOfOne(
  policy: ResolvedPolicy,
  by: Alternative,
  caller: Caller,
  networksOf: NetworksOf,
): Promise<readonly IpNetwork[]> {
  if (typeof by === 'string' || typeof by === 'function') return namedBy(policy, by, caller, networksOf);
  let together: readonly IpNetwork[] | undefined;
  for (const one of by) {
    const next = (await namedBy(policy, one, caller, networksOf)).map(({ subject, times }) => ({
      subject: subject.replace(/[%|]/g, encodeURIComponent),
      times,
    }));
    together = together ? together.flatMap((first) => next.map((second) => joined(first, second))) : next;
  }
  return together ?? [];
}

function joined(first: IpNetwork, second: IpNetwork): IpNetwork {
  return { subject: `${first.subject}|${second.subject}`, times: Math.max(first.times, second.times) };
}

async function namedBy(
  policy: ResolvedPolicy,
  by: By,
  caller: Caller,
  networksOf: NetworksOf,
): Promise<readonly IpNetwork[]> {
  if (by === 'ip') return addressOf(caller, networksOf);
  const subject = typeof by === 'function' ? answerOf(policy, await by(caller)) : textOf(policy, by, caller);
  return subject === undefined ? [] : [{ subject, times: 1 }];
}

function addressOf({ ip, kind }: Caller, networksOf: NetworksOf): readonly IpNetwork[] {
  if (ip !== undefined) return networksOf(ip);
  return kind === 'rpc' ? [] : NO_ADDRESS;
}

function textOf(policy: ResolvedPolicy, by: Exclude<By, (...args: never[]) => unknown>, caller: Caller): string {
  if (by === 'user') return `user:${userIdOf(caller.user, policy.name)}`;
  if (by === 'endpoint') return `endpoint:${caller.endpoint}`;
  const name = by.slice(HEADER.length).toLowerCase();
  return `${HEADER}${name}:${caller.header(name) ?? ''}`;
}

/** A caller may have chosen it: what is no name of anybody must not become the name that many have. */
function answerOf({ name }: ResolvedPolicy, answer: unknown): string | undefined {
  if (answer === undefined || (typeof answer === 'string' && answer !== '')) return answer;
  throw new RateLimitCallError(
    `"by" of the policy "${name}" has answered ${answer === '' ? 'an empty string' : `a value of type ${typeof answer}`}. ` +
      'Answer a string that says who is limited, or undefined where the policy does not apply.',
  );
}
