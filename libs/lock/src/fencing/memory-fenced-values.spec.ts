import { describe, expect, it } from '@jest/globals';
import { FENCE_OUTLIVES_MS } from './fenced-values.js';
import { MemoryFencedValues } from './memory-fenced-values.js';

const refused = (highest: bigint): object => ({ accepted: false, highest });

describe('Fenced values in the memory of a process', () => {
  it('forget a value when its time is over, and its token a day later', async () => {
    let now = 1_000;
    const values = new MemoryFencedValues('default', () => now);
    await values.set('seat', 5n, 'ada', 100);

    now += 99;
    expect(await values.get('seat')).toEqual({ accepted: true, result: 'ada' });
    now += 1;
    expect(await values.get('seat')).toEqual({ accepted: true, result: undefined });
    expect(await values.delete('seat', 5n)).toEqual({ accepted: true, result: false });
    now += FENCE_OUTLIVES_MS - 1;
    expect(await values.set('seat', 4n, 'bob', 100)).toEqual(refused(5n));
    now += 1;
    expect(await values.set('seat', 4n, 'bob', 100)).toEqual({ accepted: true, result: undefined });
  });

  it('know a token for a day after the value is over, however long that is kept', async () => {
    let now = 0;
    const values = new MemoryFencedValues('default', () => now);
    await values.set('seat', 5n, 'ada', 3 * FENCE_OUTLIVES_MS);
    now += FENCE_OUTLIVES_MS;
    await values.get('seat', 5n);
    now += 3 * FENCE_OUTLIVES_MS - 1;
    expect(await values.get('seat', 4n)).toEqual(refused(5n));
  });

  it('are not kept for ever', async () => {
    let now = 0;
    const values = new MemoryFencedValues('default', () => now);
    for (let seat = 0; seat < 1_000; seat++) await values.set(`seat:${seat}`, 1n, 'ada', 1_000);
    now += FENCE_OUTLIVES_MS + 1_000;
    for (let time = 0; time < 1_000; time++) await values.get('another', 1n);
    expect(values.size).toBe(1);
  });
});
