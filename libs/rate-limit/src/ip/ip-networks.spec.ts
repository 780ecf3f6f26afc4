import { BlockList } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatAddress } from './address.js';
import { ipGroupOf, networksOf, UNKNOWN_ADDRESS, type IpPrefixes } from './ip-networks.js';
import { resolveIpOptions } from './ip.options.js';

const usual = resolveIpOptions(undefined, 'options.ip', []);
const wide = prefixes({ v4: { 32: 1, 24: 4, 12: 9 }, v6: { 128: 1, 64: 2, 56: 4, 33: 8 } });

describe('The networks of an address', () => {
  it('are the address itself for IPv4', () => {
    expect(networksOf('192.0.2.1', usual)).toEqual([{ subject: 'ip:192.0.2.1', times: 1 }]);
  });

  it('are a /64 and a /48 for IPv6, and the wider one has more', () => {
    expect(networksOf('2001:db8:1:2:3:4:5:6', usual)).toEqual([
      { subject: 'ip:2001:db8:1:2::/64', times: 1 },
      { subject: 'ip:2001:db8:1::/48', times: 16 },
    ]);
    expect(networksOf('::1', usual).map(({ subject }) => subject)).toEqual(['ip:::/64', 'ip:::/48']);
  });

  it('are those of the options, the narrowest first', () => {
    expect(networksOf('203.127.99.200', wide)).toEqual([
      { subject: 'ip:203.127.99.200', times: 1 },
      { subject: 'ip:203.127.99.0/24', times: 4 },
      { subject: 'ip:203.112.0.0/12', times: 9 },
    ]);
    expect(networksOf('2001:db8:ffff:ffff::1', wide)).toEqual([
      { subject: 'ip:2001:db8:ffff:ffff::1', times: 1 },
      { subject: 'ip:2001:db8:ffff:ffff::/64', times: 2 },
      { subject: 'ip:2001:db8:ffff:ff00::/56', times: 4 },
      { subject: 'ip:2001:db8:8000::/33', times: 8 },
    ]);
  });

  it('are the same however the address is written', () => {
    expect(networksOf('::ffff:192.0.2.1', usual)).toEqual(networksOf('192.0.2.1', usual));
    expect(networksOf('[2001:DB8::1%eth0]:443', usual)).toEqual(networksOf('2001:db8::1', usual));
  });

  it('are one for all whose address is none, so that it is no way around a limit', () => {
    for (const text of ['', 'unknown', '1.2.3', 'x'.repeat(10_240)]) {
      expect(networksOf(text, usual)).toEqual([{ subject: UNKNOWN_ADDRESS, times: 1 }]);
    }
  });

  it('hold the address', () => {
    fc.assert(
      fc.property(
        anyAddress(),
        fc.integer({ min: 8, max: 32 }),
        fc.integer({ min: 16, max: 128 }),
        (address, v4, v6) => {
          const [network] = networksOf(address, prefixes({ v4: { [v4]: 1 }, v6: { [v6]: 1 } }));
          const family = address.includes(':') ? 'ipv6' : 'ipv4';
          const [base, bits = family === 'ipv6' ? '128' : '32'] = network!.subject.slice('ip:'.length).split('/');
          const list = new BlockList();
          list.addSubnet(base!, Number(bits), family);

          expect(list.check(address, family)).toBe(true);
          expect(Number(bits)).toBe(family === 'ipv6' ? v6 : v4);
          // The base is the first address: the network of it is the same.
          expect(networksOf(base!, prefixes({ v4: { [v4]: 1 }, v6: { [v6]: 1 } }))).toEqual([network]);
        },
      ),
    );
  });
});

describe('The group of a network', () => {
  it('is the widest network, the same for all of one address', () => {
    expect(ipGroupOf('ip:192.0.2.1', usual)).toBe('ip:192.0.2.1');
    expect(ipGroupOf('ip:2001:db8:1:2::/64', usual)).toBe('ip:2001:db8:1::/48');
    expect(ipGroupOf('ip:2001:db8:1::/48', usual)).toBe('ip:2001:db8:1::/48');
    fc.assert(
      fc.property(anyAddress(), fc.constantFrom(usual, wide), (address, options) => {
        const networks = networksOf(address, options);

        for (const { subject } of networks) expect(ipGroupOf(subject, options)).toBe(networks.at(-1)!.subject);
      }),
    );
  });

  it.each([
    'user:42',
    'ip',
    'ip:',
    UNKNOWN_ADDRESS,
    'ip:192.0.2.1/32',
    'ip:192.0.2.0/24',
    'ip:192.0.2.1:80',
    'ip: 192.0.2.1',
    'ip:192.0.2.1|user:42',
    'ip:::ffff:192.0.2.1',
    'ip:2001:db8::1',
    'ip:2001:db8::1/64',
    'ip:2001:DB8::/64',
    'ip:2001:db8:0::/64',
    'ip:[2001:db8::]/64',
    'ip:2001:db8::/064',
    'ip:2001:db8::/64/48',
    'ip:2001:db8::/',
    'ip:2001:db8::/56',
    'IP:192.0.2.1',
  ])('is none for %p, which is no such network', (subject) => {
    expect(ipGroupOf(subject, usual)).toBeUndefined();
  });
});

function prefixes(raw: unknown): IpPrefixes {
  const mistakes: string[] = [];
  const resolved = resolveIpOptions(raw, 'options.ip', mistakes);
  expect(mistakes).toEqual([]);
  return resolved;
}

/** Written in the usual way, and no IPv4 address within an IPv6 one. */
function anyAddress(): fc.Arbitrary<string> {
  const v6 = fc.tuple(fc.integer({ min: 0x20_00, max: 0x3f_ff }), ...Array.from({ length: 7 }, () => fc.nat(0xff_ff)));
  return fc.oneof(fc.ipV4(), v6.map(formatAddress));
}
