import { describe, expect, it } from '@jest/globals';
import { addressOf } from './address-of.js';

describe('The address of a request', () => {
  it('is the one that the application trusts', () => {
    expect(addressOf({ ip: '192.0.2.1', socket: { remoteAddress: '10.0.0.1' } })).toBe('192.0.2.1');
    expect(addressOf({ ip: '::ffff:192.0.2.1' })).toBe('192.0.2.1');
    expect(addressOf({ ip: '[2001:DB8::1]:443' })).toBe('2001:db8::1');
  });

  it('is that of the connection without an application, as of a WebSocket', () => {
    expect(addressOf({ socket: { remoteAddress: '::ffff:192.0.2.1' } })).toBe('192.0.2.1');
  });

  it('is that of the proxy where it has passed on something else, which could be different each time', () => {
    for (const ip of ['unknown', '', '_a1b2', '192.0.2.1, 192.0.2.2', 42, 'x'.repeat(10_240)]) {
      expect(addressOf({ ip, socket: { remoteAddress: '10.0.0.1' } })).toBe('10.0.0.1');
    }
  });

  it('is none on a Unix socket, and where there is no request', () => {
    for (const request of [{ ip: undefined, socket: { remoteAddress: undefined } }, { socket: null }, {}, null, 5]) {
      expect(addressOf(request)).toBeUndefined();
    }
    expect(addressOf(undefined)).toBeUndefined();
  });
});
