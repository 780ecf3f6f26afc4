import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Cluster } from 'ioredis';
import { watchMasters } from './masters-watch.js';

let epochs: (number | Error)[];
let asked: number[];
let refresh: jest.Mock;
let stop: () => void;

const info = (epoch: number): string =>
  `cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_size:3\r\ncluster_current_epoch:${epoch}\r\n` +
  `cluster_stats_messages_sent:${Math.random()}\r\n`;

const cluster = {
  status: 'ready',
  refreshSlotsCache: () => void refresh(),
  nodes: () =>
    epochs.map((epoch, index) => ({
      cluster: async () => {
        asked.push(index);
        if (epoch instanceof Error) throw epoch;
        return info(epoch);
      },
    })),
};

beforeEach(async () => {
  jest.useFakeTimers();
  epochs = [5, 5, 5];
  asked = [];
  refresh = jest.fn();
  stop = watchMasters(cluster as unknown as Cluster);
});
afterEach(() => {
  stop();
  jest.useRealTimers();
});

const looks = (count: number): Promise<void> => jest.advanceTimersByTimeAsync(count * 500);

describe('The watch over the masters of a Cluster', () => {
  beforeEach(() => looks(6));

  it('reads the map at first, which may have been read before its first look, and then asks each master in turn', async () => {
    expect(refresh).toHaveBeenCalledTimes(4);
    expect(asked).toEqual([0, 1, 2, 0, 1, 2]);

    await looks(20);

    expect(refresh).toHaveBeenCalledTimes(4);
  });

  it('reads the map after a change, until all nodes may be expected to know of it', async () => {
    epochs = [6, 6, 6];
    await looks(20);

    expect(refresh).toHaveBeenCalledTimes(8);
  });

  it('goes on reading it while the masters disagree', async () => {
    epochs = [6, 5, 6];
    await looks(20);

    expect(refresh).toHaveBeenCalledTimes(24);
  });

  it('hears of a change from the others when one does not answer', async () => {
    epochs = [new Error('Connection is closed.'), 6, 6];
    await looks(3);

    expect(refresh).toHaveBeenCalledTimes(6);
  });

  it('asks nobody after it was stopped', async () => {
    stop();
    await looks(5);

    expect(asked).toHaveLength(6);
  });
});
