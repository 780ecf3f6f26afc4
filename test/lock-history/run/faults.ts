import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer, TcpProxy } from '../../harness/index.js';
import type { Fault, Moment } from '../history/events.js';
import type { Contention } from './contention.js';

/** Something that is done to those who contend; returns when it is over. */
export type Torment = (contention: Contention) => Promise<void>;

const SUFFERINGS: readonly (readonly [Fault, Moment, leastMs: number, mostMs: number])[] = [
  ['stop', 'holding', 1_300, 2_200],
  // Kleppmann's case: it stands still after it made sure that it holds the lock, and writes when others do.
  ['stop', 'writing', 1_300, 2_200],
  ['stop', 'queued', 3_300, 3_600],
  ['stop', 'handed', 1_300, 1_600],
  ['block', 'holding', 1_200, 1_500],
  ['die', 'holding', 0, 0],
  ['die', 'queued', 0, 0],
  ['die', 'handed', 0, 0],
];

/** What a process suffers: SIGSTOP beyond its time to live, SIGKILL, a loop that blocks it, each in the moment that is worst. */
export const sufferings: readonly Torment[] = SUFFERINGS.map(([fault, when, leastMs, mostMs]) => async (contention) => {
  const { random } = contention;
  const worker = contention.anyWorker();
  const suffered = await contention.worker(worker).suffer(fault, when, random.between(leastMs, mostMs));
  if (!suffered) return;
  contention.count(`${fault} when ${when}`);
  if (fault === 'die') await contention.replace(worker);
});

/** SIGSTOP of Redis: nothing is answered, and what was sent is done when it goes on. */
export function freezing(server: RedisServer): Torment {
  return async (contention) => {
    const { random } = contention;
    // Sometimes so short that locks live through it.
    const forMs = random.chance(0.4) ? random.between(100, 500) : random.between(1_100, 2_000);
    await contention.outage(undefined, async () => {
      server.pause();
      await sleep(forMs);
      server.resume();
    });
    contention.count('freeze');
  };
}

/** The subscriptions die over and over, so that the messages of grants are lost. */
export function deafening(servers: readonly RedisServer[]): Torment {
  return async (contention) => {
    for (let round = 0; round < 40; round++) {
      await Promise.all(servers.map((server) => server.call('CLIENT', 'KILL', 'TYPE', 'pubsub')));
      await sleep(contention.random.between(10, 60));
    }
    contention.count('kill subscribers');
  };
}

export function forgettingScripts(servers: readonly RedisServer[]): Torment {
  return async (contention) => {
    for (let round = 0; round < 30; round++) {
      await Promise.all(servers.map((server) => server.flushScripts()));
      await sleep(contention.random.between(5, 40));
    }
    contention.count('flush scripts');
  };
}

/** An operator takes locks away. */
export const forcing: Torment = async (contention) => {
  for (let round = 0; round < 5; round++) {
    contention.worker(contention.anyWorker()).force(contention.random.pick(contention.keys));
    await sleep(contention.random.between(20, 100));
  }
  contention.count('force');
};

/** Replies are swallowed though the commands were run; the connection is reset with each. */
export function droppingReplies(proxy: TcpProxy, worker: number): Torment {
  return (contention) =>
    contention.outage(contention.worker(worker).name, async () => {
      for (let round = 0; round < 25; round++) {
        proxy.dropReply(1 + Math.floor(contention.random.between(0, 20)));
        await sleep(contention.random.between(20, 80));
      }
      proxy.heal();
      contention.count('drop replies');
    });
}

/** Nothing comes through, both ways or one. */
export function blackHole(proxy: TcpProxy, worker: number): Torment {
  return (contention) =>
    contention.outage(contention.worker(worker).name, async () => {
      const direction = contention.random.pick([undefined, 'requests', 'replies'] as const);
      proxy.blackhole(direction);
      await sleep(contention.random.between(500, 2_000));
      proxy.heal();
      contention.count(`black hole of ${direction ?? 'both'}`);
    });
}

/** All of them in an order of the seed, with some peace after each. */
export async function torment(contention: Contention, torments: readonly Torment[], peaceMs = 400): Promise<void> {
  for (const each of contention.random.shuffle(torments)) {
    await each(contention);
    await sleep(peaceMs);
  }
}
