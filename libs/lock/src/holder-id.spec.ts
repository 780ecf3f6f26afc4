import { describe, expect, it } from '@jest/globals';
import { hostname } from 'node:os';
import { ClaimIds, readHolder } from './holder-id.js';

describe('The ids of claims', () => {
  it('are unlike each other, also of two applications in one process', () => {
    const [one, other] = [new ClaimIds(), new ClaimIds()];
    const ids = Array.from({ length: 5_000 }, () => [one.next(), other.next()]).flat();

    expect(new Set(ids).size).toBe(10_000);
    expect(one.process).not.toBe(other.process);
  });

  it('begin with their process, and can stand in scripts and channels as they are', () => {
    const ids = new ClaimIds();
    const id = ids.next();

    expect(id.slice(0, id.lastIndexOf(':'))).toBe(ids.process);
    expect(id).toMatch(/^[\w./-]+:[0-9a-z]+$/);
    expect(id).not.toMatch(/[\s;=:{}].*[\s;={}]|^-:/);
    expect(id.length).toBeLessThan(80);
  });

  it('say who that is', () => {
    const id = new ClaimIds().next();

    const { host, pid, ...rest } = readHolder(id, 7n);

    expect(rest).toEqual({ id, token: 7n });
    expect(pid).toBe(process.pid);
    expect(
      hostname()
        .replace(/[^\w.-]/g, '_')
        .startsWith(host),
    ).toBe(true);
  });
});
