import { describe, expect, it } from '@jest/globals';
import { redirectionOf } from './redirection.js';

const redirectionIn = (message: string): unknown => redirectionOf(new Error(message), '10.0.0.1:7000');

describe('A redirection', () => {
  it('names the node that has the slot, or that gets it', () => {
    expect(redirectionIn('MOVED 3999 10.0.0.2:6381')).toEqual({ place: '10.0.0.2:6381', asking: false });
    expect(redirectionIn('ASK 3999 redis-2.local:6381')).toEqual({ place: 'redis-2.local:6381', asking: true });
    expect(redirectionIn('MOVED 3999 fd00::2:6381')).toEqual({ place: 'fd00::2:6381', asking: false });
  });

  it('without a host is to another port of the node that has said so', () => {
    expect(redirectionIn('MOVED 3999 :6381')).toEqual({ place: '10.0.0.1:6381', asking: false });
  });

  it('is no other error', () => {
    for (const message of ['TRYAGAIN Multiple keys request', 'CLUSTERDOWN The cluster is down', 'ERR MOVED 1 a:1', ''])
      expect(redirectionIn(message)).toBeUndefined();
    expect(redirectionOf('MOVED 3999 10.0.0.2:6381', '')).toBeUndefined();
  });
});
