import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Cluster, type Redis } from 'ioredis';
import { InvalidationTracker } from './invalidation-tracker.js';

/** As much of a client as a link of a tracker uses. */
class FakeLink extends EventEmitter {
  status = 'wait';
  stream = {};
  /** What the server says to CLIENT TRACKING. */
  answer: () => Promise<unknown> = async () => 'OK';
  readonly client = async (): Promise<number> => 7;
  readonly call = (): Promise<unknown> => this.answer();
  readonly subscribe = async (): Promise<number> => 1;
  readonly ping = async (): Promise<string> => 'PONG';
  readonly disconnect = jest.fn();

  async connect(): Promise<void> {
    this.status = 'ready';
    this.stream = {};
    this.emit('ready');
  }
}

const A = '10.0.0.1:6379';
const B = '10.0.0.2:6379';
const C = '10.0.0.3:6379';
let cluster: Cluster;
let links: Map<string, FakeLink>;
let tracker: InvalidationTracker;
let told: string[];
let answers: Record<string, () => Promise<unknown>>;

const settled = (): Promise<void> => jest.advanceTimersByTimeAsync(0);
const masters = async (...owners: string[]): Promise<void> => {
  cluster.slots = owners.map((owner) => [owner]);
  cluster.emit('refresh');
  await settled();
};

beforeEach(async () => {
  jest.useFakeTimers();
  cluster = new Cluster([], { lazyConnect: true });
  links = new Map();
  answers = {};
  told = [];
  tracker = new InvalidationTracker(cluster, ['app:'], ({ host, port }) => {
    const link = new FakeLink();
    link.answer = answers[`${host}:${port}`] ?? link.answer;
    links.set(`${host}:${port}`, link);
    return link as unknown as Redis;
  });
  tracker.on('armed', () => told.push('armed'));
  tracker.on('gap', () => told.push('gap'));
  tracker.on('refused', (refusal) => told.push(refusal));
});
afterEach(() => {
  tracker.close();
  jest.useRealTimers();
});

const refusing = async (): Promise<never> => {
  throw Object.assign(new Error('NOPERM no'), { name: 'ReplyError' });
};

describe('A tracker of a Cluster', () => {
  it('has a link to each owner of slots, and is armed when all of them are', async () => {
    expect(tracker.armed).toBe(false);
    let agree = (_reply: unknown): void => undefined;
    answers[B] = () => new Promise((resolve) => (agree = resolve));
    await masters(A, B, A);
    expect([...links.keys()]).toEqual([A, B]);
    expect(tracker.armed).toBe(false);

    agree('OK');
    await settled();

    expect(tracker.armed).toBe(true);
    expect(told).toEqual(['armed']);
  });

  it('is not armed from the moment a master joins until that one reports, too', async () => {
    await masters(A, B);
    cluster.slots = [[A], [B], [C]];
    cluster.emit('refresh');
    expect(tracker.armed).toBe(false);

    await settled();

    expect(told).toEqual(['armed', 'gap', 'armed']);
  });

  it('reports a gap when a master leaves: what that one has said last may not have arrived', async () => {
    await masters(A, B);
    await masters(A);

    expect(links.get(B)!.disconnect).toHaveBeenCalled();
    expect(told).toEqual(['armed', 'gap', 'armed']);
  });

  it('is not disturbed by slots that move between masters it has', async () => {
    await masters(A, B);
    await masters(B, A, A);

    expect(told).toEqual(['armed']);
  });

  it('gives up as soon as one master refuses, and tells it once', async () => {
    answers[B] = answers[C] = refusing;
    await masters(A, B, C);
    await masters(A);

    expect(told).toEqual(['NOPERM no']);
    expect(tracker.refusal).toBe('NOPERM no');
    expect(tracker.armed).toBe(false);
    expect(links.size).toBe(3);
    for (const link of links.values()) expect(link.disconnect).toHaveBeenCalled();
  });

  it('reports the gap first when a master that joins refuses', async () => {
    await masters(A);
    answers[B] = refusing;
    await masters(A, B);

    expect(told).toEqual(['armed', 'gap', 'NOPERM no']);
  });

  it('tells nothing after it was closed', async () => {
    await masters(A);
    tracker.close();
    await masters(A, B);
    links.get(A)!.emit('messageBuffer', Buffer.from('__redis__:invalidate'), null);

    expect(tracker.armed).toBe(false);
    expect(links.size).toBe(1);
    expect(told).toEqual(['armed']);
  });
});

describe('A link of a tracker that dies while it is being armed', () => {
  beforeEach(() => {
    answers[A] = () => Promise.reject(new Error('Connection is closed.'));
  });

  it('tries another connection after a while', async () => {
    await masters(A);
    await jest.advanceTimersByTimeAsync(500);

    expect(links.get(A)!.disconnect).toHaveBeenCalledWith(true);
    expect(told).toEqual([]);
  });

  it('leaves the connection alone that has been made meanwhile', async () => {
    await masters(A);
    const link = links.get(A)!;
    link.answer = async () => 'OK';
    link.emit('close');
    await link.connect();
    await jest.advanceTimersByTimeAsync(500);

    expect(link.disconnect).not.toHaveBeenCalled();
    expect(told).toEqual(['armed']);
  });
});
