import { describe, expect, it } from '@jest/globals';
import { TurnBatches } from './turn-batches.js';

describe('The calls of a turn', () => {
  it('are sent together, and one whose reply makes no sense fails alone and is not sent again', async () => {
    const sent: (readonly string[])[] = [];
    const batches = new TurnBatches(
      async (keys) => {
        sent.push(keys);
        return keys.map((key) => (key === 'broken' ? 'no number' : 7));
      },
      (reply) => BigInt(reply as string | number),
      () => 0,
    );
    const answers = await Promise.allSettled(
      ['one', 'broken', 'other'].map((key) => batches.batchFor(key).add(key, 'text')),
    );

    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(answers[0]).toMatchObject({ value: 7n });
    expect(sent).toEqual([['one', 'broken', 'other']]);
  });

  it('are asked for each alone where a script fails for one of them', async () => {
    const again: boolean[] = [];
    const batches = new TurnBatches(
      async (keys, _texts, _giveUpAt, isAgain) => {
        again.push(isAgain);
        if (keys.includes('broken')) throw new Error('WRONGTYPE');
        return keys.map(() => 7);
      },
      (reply) => reply,
      () => 0,
    );
    const answers = await Promise.allSettled(['one', 'broken'].map((key) => batches.batchFor(key).add(key, 'text')));

    expect(answers).toMatchObject([{ value: 7 }, { reason: new Error('WRONGTYPE') }]);
    expect(again).toEqual([false, true, true]);
  });
});
