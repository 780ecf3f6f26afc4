import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PartitionKeys } from './partition-key.js';

describe('A partition key', () => {
  it('is eight bytes in base64', () => {
    const key = new PartitionKeys('secret').of('user:42');

    expect(key).toMatch(/^[A-Za-z0-9+/]{11}=$/);
    expect(Buffer.from(key, 'base64')).toHaveLength(8);
  });

  it('is the same for a subject wherever the secret is the same', () => {
    const key = new PartitionKeys('secret').of('user:42');

    expect(new PartitionKeys('secret').of('user:42')).toBe(key);
    expect(new PartitionKeys('secret').of('user:43')).not.toBe(key);
    expect(new PartitionKeys('another').of('user:42')).not.toBe(key);
    // openssl: printf user:42 | openssl dgst -sha256 -hmac secret
    expect(Buffer.from(key, 'base64').toString('hex')).toBe('4aa75518ec54e3b3');
  });

  it('is by a random secret of the process where none is given', () => {
    const one = new PartitionKeys();

    expect(one.of('user:42')).toBe(one.of('user:42'));
    expect(new PartitionKeys().of('user:42')).not.toBe(one.of('user:42'));
  });

  it('cannot be found by trying hashes of addresses', () => {
    const key = new PartitionKeys().of('ip:192.0.2.1');
    const hash = createHash('sha256').update('ip:192.0.2.1').digest();

    expect(key).not.toBe(hash.subarray(0, 8).toString('base64'));
    expect(Buffer.from(key, 'base64').toString('latin1')).not.toContain('192');
  });

  it('is made of any text', () => {
    const keys = new PartitionKeys('secret');

    for (const subject of ['', '\uD800', 'x'.repeat(10_240)]) expect(keys.of(subject)).toHaveLength(12);
  });
});
