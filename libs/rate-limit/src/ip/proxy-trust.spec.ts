import { describe, expect, it } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { trustOfFastify } from './proxy-trust.js';

describe('The trust of Fastify', () => {
  it('is that of its options, also for the instance of a plugin', async () => {
    const instance = new FastifyAdapter({ trustProxy: ['10.0.0.1'] }).getInstance();
    const expected = { server: 'Fastify', setting: ['10.0.0.1'], any: true };
    const children: unknown[] = [];
    instance.register((child, _, done) => {
      children.push(child);
      done();
    });
    await instance.ready();

    expect(trustOfFastify(instance)).toEqual(expected);
    expect(children[0]).not.toBe(instance);
    expect(trustOfFastify(children[0])).toEqual(expected);
  });

  it('is none where it was not configured, or cannot be found', () => {
    const none = { server: 'Fastify', setting: undefined, any: false };

    for (const instance of [new FastifyAdapter().getInstance(), {}, undefined, null]) {
      expect(trustOfFastify(instance)).toEqual(none);
    }
  });
});
