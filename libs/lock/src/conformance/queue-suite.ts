import assert from 'node:assert/strict';
import { HANDED_MS, LIVE_MS, type Waiting } from '../drivers/lock-driver.js';
import type { SceneTests } from './scene.js';
import { eventually } from './test-process.js';

const reader = { permits: 1_000_000, weight: 1 };
const writer = { permits: 1_000_000, weight: 1_000_000 };

/** Invariant 3: who is next, and how it comes to know. */
export function describeQueue({ test }: SceneTests): void {
  test('grants in the order of arrival, in the step of the release, and tells the winner alone', async (scene) => {
    const those = await scene.processes();
    const [ann, bob, cid] = those;
    const lock = scene.key('line');
    let hold = await ann.hold(ann.claim(lock));
    let holder = ann;
    const line = [bob, cid, ann, cid, bob, ann].map((process) => ({ process, claim: process.claim(lock) }));
    for (const { process, claim } of line) await process.wait(claim);

    for (const { process, claim } of line) {
      assert.equal(await holder.release(hold), 'released');
      assert.deepEqual(await ann.holders(lock), [claim.id]);
      const next = await process.toldOf(claim);
      assert.ok(next.token > hold.token);
      [hold, holder] = [next, process];
    }

    for (const process of those)
      assert.deepEqual(
        [...process.granted.keys()].sort(),
        line
          .filter((each) => each.process === process)
          .map(({ claim }) => claim.id)
          .sort(),
      );
  });

  test('never calls a process from within the call of another', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('later')));
    const claim = await bob.wait(bob.claim(key('later')));

    const releasing = ann.release(hold);
    assert.equal(bob.granted.size, 0);

    await releasing;
    await bob.toldOf(claim);
  });

  test('hands a lock over for a short time, which a renewal prolongs', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    for (const [name, ttlMs, handedMs] of [
      ['handed', 60_000, HANDED_MS],
      ['handed:short', 1_000, 1_000],
    ] as const) {
      const hold = await ann.hold(ann.claim(key(name)));
      const claim = bob.claim(key(name), { ttlMs });
      const { state, since } = (await bob.queue(claim)) as Waiting;
      assert.equal(state, 'waiting');
      await ann.release(hold);
      const handed = await bob.toldOf(claim);

      await bob.assertValid(handed, since, handedMs);
      assert.equal((await bob.renew(handed)).state, 'renewed');
      const { holders } = await bob.look(key(name));
      assert.ok(holders[0]!.remainingMs > 50_000);
    }
  });

  test('lets a winner that has died hold a lock no longer than it was handed over for', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob, cid] = await scene.processes();
    const hold = await ann.hold(ann.claim(key('winner')));
    await bob.wait(bob.claim(key('winner'), { ttlMs: 400 }));
    const next = await cid.wait(cid.claim(key('winner')));
    await ann.release(hold);

    assert.equal((await cid.beat(next)).tokens[0], undefined);
    await elapse(420);

    assert.notEqual((await cid.beat(next)).tokens[0], undefined);
  });

  test('says by a beat what was granted and not told, also when it is repeated', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('untold')));
    const claims = [bob.claim(key('untold')), bob.claim(key('untold'))];
    for (const claim of claims) await bob.wait(claim);
    const { since } = await bob.beat(...claims);
    await ann.release(hold);

    const { tokens, first } = await bob.beat(...claims);

    assert.ok(tokens[0]! > hold.token);
    assert.equal(tokens[1], undefined);
    assert.equal(first, true, 'the other is the first of those that wait');
    await bob.assertValid({ ...claims[0]!, token: tokens[0]! }, since, HANDED_MS, 60_000);
    assert.deepEqual((await bob.beat(...claims)).tokens, tokens);
    assert.deepEqual(await ann.holders(key('untold')), [claims[0]!.id]);
  });

  test('does not say by a beat that a lock is granted whose time was over before the beat', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob] = await scene.processes();
    const hold = await ann.hold(ann.claim(key('overslept')));
    const claim = await bob.wait(bob.claim(key('overslept'), { ttlMs: 100, delayMs: 60_000 }));
    await ann.release(hold);
    await elapse(120);

    assert.equal((await bob.beat(claim)).tokens[0], undefined);
    assert.deepEqual(await ann.holders(key('overslept')), []);
  });

  test('grants at a beat what has expired, and says when to look', async ({ processes, key, elapse }) => {
    const [ann, bob, cid] = await processes();
    await ann.hold(ann.claim(key('look'), { ttlMs: 300 }));
    const claim = bob.claim(key('look'));
    const { state, nextMs } = (await bob.queue(claim)) as Waiting;
    assert.equal(state, 'waiting');
    assert.ok(nextMs > 0 && nextMs <= 300, `${nextMs}ms`);
    const later = await cid.wait(cid.claim(key('look')));

    const [first, second] = [await bob.beat(claim), await cid.beat(later)];
    assert.deepEqual([first.first, second.first], [true, false]);
    assert.deepEqual([first.tokens, second.tokens], [[undefined], [undefined]]);
    assert.ok(first.nextMs > 0 && first.nextMs <= 300, `${first.nextMs}ms`);
    await elapse(320);

    assert.equal((await cid.beat(later)).tokens[0], undefined, 'whoever beats, the first in line is granted');
    assert.deepEqual(await cid.holders(key('look')), [claim.id]);
    assert.notEqual((await bob.beat(claim)).tokens[0], undefined);
  });

  test('puts who has lost its place at the end, and leaves alone who has one', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('place')));
    const known = await bob.wait(bob.claim(key('place')));
    const lost = [bob.claim(key('place')), bob.claim(key('place'))];

    for (let times = 0; times < 2; times++) {
      await bob.beat(known, ...lost);
      assert.deepEqual(
        (await ann.look(key('place'))).waiters,
        [known, ...lost].map(({ id }) => id),
      );
    }

    await ann.release(hold);
    assert.deepEqual(await ann.holders(key('place')), [known.id]);
    const fresh = ann.claim(key('place:free'));
    assert.notEqual((await ann.beat(fresh)).tokens[0], undefined, 'a lock that is free is granted at once');
  });

  test('keeps those who come later behind who does not fit yet, so that a writer has its turn', async (scene) => {
    const { key } = scene;
    const [ann, bob, cid] = await scene.processes();
    const lock = key('turns');
    const first = await ann.hold(ann.claim(lock, reader));
    const writing = await bob.wait(bob.claim(lock, writer));
    const readers = [await cid.wait(cid.claim(lock, reader)), await ann.wait(ann.claim(lock, reader))];

    assert.equal((await cid.try(cid.claim(lock, reader))).state, 'busy', 'who does not wait passes nobody either');
    await ann.beat(readers[1]!);
    assert.deepEqual(await ann.holders(lock), [first.id]);
    await ann.release(first);
    const written = await bob.toldOf(writing);
    assert.deepEqual(await ann.holders(lock), [writing.id]);
    await bob.release(written);

    await cid.toldOf(readers[0]!);
    await ann.toldOf(readers[1]!);
    const { holders, waiters } = await ann.look(lock);
    assert.deepEqual(
      holders.map(({ id }) => id),
      readers.map(({ id }) => id),
    );
    assert.deepEqual(waiters, []);
    assert.ok(holders[1]!.token > holders[0]!.token);
  });

  test('passes over a process that has not been heard of for a while, with all that wait in it', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob, cid] = await scene.processes();
    const lock = key('dead');
    const hold = await ann.hold(ann.claim(lock));
    const silent = [await bob.wait(bob.claim(lock)), await bob.wait(bob.claim(lock))];
    const alive = await cid.wait(cid.claim(lock));
    silent.push(await bob.wait(bob.claim(lock)));
    await ann.hold(ann.claim(key('dead:writer'), reader));
    await bob.wait(bob.claim(key('dead:writer'), writer));
    const reading = await cid.wait(cid.claim(key('dead:writer'), reader));
    for (let part = 0; part < 3; part++) {
      assert.equal((await cid.beat(reading)).tokens[0], undefined, 'a writer that has just come is waited for');
      await elapse(LIVE_MS / 3 + 20);
      await cid.beat(alive);
    }

    assert.notEqual((await cid.beat(reading)).tokens[0], undefined, 'and not any more');
    await ann.release(hold);
    const next = await cid.toldOf(alive);
    await cid.release(next);

    assert.deepEqual(await ann.holders(lock), []);
    assert.equal(bob.granted.size, 0);
    const { tokens } = await bob.beat(...silent);
    assert.ok(tokens[0]! > next.token, 'when it is back, it is as if it came anew');
    assert.deepEqual(tokens.slice(1), [undefined, undefined]);
  });

  test('grants to a waiter that the release prefers before those who came earlier, and keeps their order', async (scene) => {
    const { key } = scene;
    const [ann, bob, cid] = await scene.processes();
    const lock = key('prefer');
    const hold = await ann.hold(ann.claim(lock));
    const [early, middle] = [await bob.wait(bob.claim(lock)), await cid.wait(cid.claim(lock))];
    const preferred = await ann.wait(ann.claim(lock));

    await ann.driver.release([hold], { prefer: preferred.id });
    const own = await ann.toldOf(preferred);
    assert.deepEqual((await ann.look(lock)).waiters, [early.id, middle.id]);
    await ann.driver.release([own], { prefer: `${ann.name}:none` });

    assert.deepEqual(await ann.holders(lock), [early.id]);
  });

  test('tells nobody any more who has ended its listening, or has closed', async ({ processes, key }) => {
    const [ann, bob, cid] = await processes();
    const heard: string[] = [];
    const off = bob.driver.listen({
      granted: (id) => void heard.push(id),
      forced: () => undefined,
      gap: () => undefined,
      moved: () => undefined,
    });
    const grantedTo = async (process: typeof bob): Promise<string> => {
      const hold = await ann.hold(ann.claim(key('ended')));
      const claim = await process.wait(process.claim(key('ended')));
      await ann.release(hold);
      assert.deepEqual(await ann.holders(key('ended')), [claim.id]);
      await ann.driver.force(key('ended'));
      return claim.id;
    };

    const first = await grantedTo(bob);
    await eventually(() => (heard.length > 0 ? true : undefined), 'both listeners');
    off();
    const second = await grantedTo(bob);
    await eventually(() => bob.granted.get(second), 'the other listener');
    assert.deepEqual(heard, [first]);
    cid.driver.close();
    await grantedTo(cid);
    const third = await grantedTo(bob);
    await eventually(() => bob.granted.get(third), 'what was told last');
    assert.equal(cid.granted.size, 0);
  });
}
