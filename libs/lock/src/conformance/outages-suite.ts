import assert from 'node:assert/strict';
import { FENCE_KEPT_MS } from '../drivers/lock-driver.js';
import type { SceneTests } from './scene.js';
import { inTime } from './test-process.js';

// What a store may leave out that counts by itself, and add so that it need not count with every call; and by how much the clock of the
// machine may be set between two questions.
const CLOCK_MS = 1_000;
const LESS_MS = 60_000 + CLOCK_MS;
const MORE_MS = FENCE_KEPT_MS + 60_000 + CLOCK_MS;

/** Invariants 5 and 6: calls that come too late, stores that lose what they knew, and that forget what is over. */
export function describeOutages({ test, options }: SceneTests): void {
  test('does nothing for a call that was given up before', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('late:held')));
    const tooLate = (): number => performance.now() - 1;
    const waiting = [bob.claim(key('late:held')), bob.claim(key('late:held'))];
    const timeout = { code: 'REDIS_TIMEOUT' };

    await assert.rejects(bob.driver.acquire([bob.claim(key('late'))], false, tooLate()), timeout);
    await assert.rejects(bob.driver.acquire([bob.claim(key('late'))], true, tooLate()), timeout);
    await assert.rejects(bob.driver.acquire([waiting[0]!], true, tooLate()), timeout);
    await assert.rejects(bob.driver.beat(waiting, tooLate()), timeout);
    await assert.rejects(ann.driver.renew([{ ...hold, ttlMs: 600_000 }], tooLate()), timeout);

    assert.deepEqual(await ann.holders(key('late')), []);
    const { holders, waiters } = await ann.look(key('late:held'));
    assert.deepEqual([holders.length, waiters], [1, []]);
    assert.ok(holders[0]!.remainingMs <= 60_000);
  });

  if (options.stall) {
    test('does nothing for a call that reaches the store after it was given up', async ({ processes, key }) => {
      const [ann, bob] = await processes();
      const hold = await ann.hold(ann.claim(key('stall:held')));
      const waiting = bob.claim(key('stall:held'));
      await options.stall!(500);
      const soon = performance.now() + 200;

      await Promise.all([
        assert.rejects(bob.driver.acquire([bob.claim(key('stall'))], false, soon)),
        assert.rejects(bob.driver.acquire([bob.claim(key('stall'))], true, soon)),
        assert.rejects(bob.driver.acquire([waiting], true, soon)),
        assert.rejects(bob.driver.beat([bob.claim(key('stall:held'))], soon)),
        assert.rejects(ann.driver.renew([{ ...hold, ttlMs: 600_000 }], soon)),
      ]);
      // This reaches the store after the others, by whatever connection.
      const after = await ann.hold(ann.claim(key('stall:after')));
      assert.equal(await ann.release(after), 'released');

      assert.deepEqual(await ann.holders(key('stall')), []);
      const { holders, waiters } = await ann.look(key('stall:held'));
      assert.deepEqual([holders.length, waiters], [1, []]);
      assert.ok(holders[0]!.remainingMs <= 60_000);
    });
  }

  if (options.lose) {
    const lose = options.lose.bind(options);
    test('gives greater tokens, and no hold back, after the store has lost a lock', async ({ processes, key }) => {
      const [ann, bob] = await processes();
      const hold = await ann.hold(ann.claim(key('lost')));
      const waiting = [await bob.wait(bob.claim(key('lost'))), await bob.wait(bob.claim(key('lost')))];
      await lose(key('lost'));

      assert.deepEqual(await ann.renew(hold), { state: 'expired' });
      assert.deepEqual(await ann.holders(key('lost')), []);
      const { tokens } = await bob.beat(...waiting);
      assert.ok(tokens[0]! > hold.token);
      assert.equal(tokens[1], undefined);
      assert.deepEqual((await ann.look(key('lost'))).waiters, [waiting[1]!.id]);
      assert.equal(await ann.release(hold), 'stolen');
      assert.deepEqual(await ann.holders(key('lost')), [waiting[0]!.id]);
    });

    test('queues again whom the store has lost, whether its process asks or beats', async ({ processes, key }) => {
      const [ann, bob] = await processes();
      await ann.hold(ann.claim(key('lost:queue')));
      const before = await bob.wait(bob.claim(key('lost:queue')));
      await lose(key('lost:queue'));
      const hold = await ann.hold(ann.claim(key('lost:queue')));
      const after = await bob.wait(bob.claim(key('lost:queue')));
      await bob.beat(before, after);

      await ann.release(hold);
      const first = await bob.toldOf(after);
      await bob.release(first);
      assert.deepEqual(await ann.holders(key('lost:queue')), [before.id]);
    });
  }

  if (options.keptForMs) {
    const keptForMs = options.keptForMs.bind(options);
    test('remembers a lock for some time after its last grant could have ended, and not for ever', async (scene) => {
      const { key } = scene;
      const [ann, bob] = await scene.processes();
      const assertKept = async (name: string, leastMs: number): Promise<void> => {
        const kept = await keptForMs(key(name));
        assert.ok(kept > leastMs - LESS_MS && kept <= leastMs + MORE_MS, `${name}: ${kept}ms`);
      };
      const hold = await ann.hold(ann.claim(key('kept:held'), { ttlMs: 100_000, delayMs: 200_000 }));
      await assertKept('kept:held', FENCE_KEPT_MS + 300_000);
      await ann.driver.renew([{ ...hold, ttlMs: 400_000 }], inTime());
      await assertKept('kept:held', FENCE_KEPT_MS + 600_000);
      await ann.release(await ann.hold(ann.claim(key('kept:free'))));
      await assertKept('kept:free', FENCE_KEPT_MS);
      await ann.driver.release([await ann.hold(ann.claim(key('kept:pause')))], { keepMs: 900_000 });
      await assertKept('kept:pause', FENCE_KEPT_MS + 900_000);
      const first = await ann.hold(ann.claim(key('kept:waited')));
      const waiting = await bob.wait(bob.claim(key('kept:waited')));
      await bob.beat(waiting);
      await ann.release(first);
      await bob.driver.leave(waiting);
      await assertKept('kept:waited', FENCE_KEPT_MS);
    });
  }
}
