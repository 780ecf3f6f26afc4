import { describe, expect, it } from '@jest/globals';
import { EMPTY, lastValueFrom, NEVER, of, Subject, take, throwError, type Observable } from 'rxjs';
import type { Outcome } from './guarded-call.js';
import { tellingOutcome } from './telling-outcome.js';

function told(source: Observable<unknown>, use: (observed: Observable<unknown>) => void): Outcome[] {
  const outcomes: Outcome[] = [];
  use(source.pipe(tellingOutcome((outcome) => outcomes.push(outcome))));
  return outcomes;
}

const listen = (observed: Observable<unknown>): void => void observed.subscribe({ error: () => undefined });

describe('How a handler went', () => {
  it.each<[string, Observable<unknown>, Outcome]>([
    ['completes', of(1, 2), 'success'],
    ['completes without an answer', EMPTY, 'success'],
    ['fails', throwError(() => new Error('no')), 'failure'],
  ])('is told when it %s', (_, source, outcome) => {
    expect(told(source, listen)).toEqual([outcome]);
  });

  it('is not known when nobody waits any more for its first answer', () => {
    expect(told(NEVER, (observed) => observed.subscribe().unsubscribe())).toEqual(['unknown']);
  });

  it('is a success when nobody waits for more', () => {
    const source = new Subject<number>();

    expect(
      told(source, (observed) => {
        observed.pipe(take(1)).subscribe();
        source.next(1);
      }),
    ).toEqual(['success']);
  });

  async function* events(): AsyncGenerator<number> {
    yield 1;
    yield 2;
  }

  it('is told when the events of a subscription end', async () => {
    const outcomes: Outcome[] = [];
    const followed = (await lastValueFrom(
      of(events()).pipe(tellingOutcome((outcome) => outcomes.push(outcome))),
    )) as AsyncIterable<number>;

    expect(outcomes).toEqual([]);
    const seen: number[] = [];
    for await (const event of followed) seen.push(event);

    expect([seen, outcomes]).toEqual([[1, 2], ['success']]);
  });

  it.each<[string, (iterator: AsyncIterator<number>) => Promise<unknown>, Outcome]>([
    ['the subscriber leaves', (iterator) => iterator.return!(), 'success'],
    ['their source fails', (iterator) => iterator.throw!(new Error('torn')).catch(() => undefined), 'failure'],
  ])('is told when %s', async (_, end, outcome) => {
    const outcomes: Outcome[] = [];
    const followed = (await lastValueFrom(
      of(events()).pipe(tellingOutcome((outcome) => outcomes.push(outcome))),
    )) as AsyncIterator<number>;
    await followed.next();

    await end(followed);

    expect(outcomes).toEqual([outcome]);
  });

  it('is told of no stream twice, and leaves it as it is', async () => {
    const iterable = { [Symbol.asyncIterator]: () => events() };
    const outcomes: Outcome[] = [];

    expect(await lastValueFrom(of(iterable).pipe(tellingOutcome((outcome) => outcomes.push(outcome))))).toBe(iterable);
    expect(outcomes).toEqual(['success']);
  });
});
