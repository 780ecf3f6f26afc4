import assert from 'node:assert/strict';
import type { Busy } from '../drivers/lock-driver.js';
import type { SceneTests } from './scene.js';
import { eventually, inTime } from './test-process.js';

/** Invariant 4: how holds end, and that what is said twice is done once. */
export function describeEndings({ test }: SceneTests): void {
  test('says of a release that is repeated what it has said before, and ends nobody else by it', async (scene) => {
    const { key } = scene;
    const [ann, bob] = await scene.processes();
    const hold = await ann.hold(ann.claim(key('repeated')));

    assert.equal(await ann.release(hold), 'released');
    assert.equal(await ann.release(hold), 'released');
    const next = await bob.hold(bob.claim(key('repeated')));
    assert.equal(await ann.release(hold), 'released');
    assert.deepEqual(await ann.holders(key('repeated')), [next.id]);
    assert.equal(await bob.release(next), 'released');
  });

  test('does nothing for who does not hold, though it knows the key and the token', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('foreign')));
    const stranger = { ...bob.claim(key('foreign')), token: hold.token };

    assert.notEqual(await bob.release(stranger), 'released');
    assert.notEqual((await bob.renew(stranger, 90_000)).state, 'renewed');
    await bob.driver.leave(stranger);
    const never = { ...bob.claim(key('foreign:never')), token: 1n };
    assert.equal(await bob.release(never), 'expired');
    assert.deepEqual(await bob.renew(never), { state: 'expired' });
    assert.deepEqual(await bob.driver.leave(never), { state: 'busy', position: 0 });

    const { holders } = await ann.look(key('foreign'));
    assert.deepEqual(
      holders.map(({ id, token }) => [id, token]),
      [[hold.id, hold.token]],
    );
    assert.ok(holders[0]!.remainingMs <= 60_000);
    assert.deepEqual(await ann.holders(key('foreign:never')), []);
  });

  test('says that a hold has expired, and never makes it anew', async ({ processes, key, elapse }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('expired'), { ttlMs: 150 }));
    await elapse(170);

    assert.deepEqual(await ann.renew(hold), { state: 'expired' });
    assert.deepEqual(await ann.holders(key('expired')), []);
    assert.equal(await ann.release(hold), 'expired');
    assert.equal(await ann.release(hold), 'expired');
    assert.deepEqual(await ann.renew(hold), { state: 'expired' });
    assert.equal((await bob.try(bob.claim(key('expired')))).state, 'granted');
  });

  test('says that a hold is stolen when somebody was granted the lock since', async ({ processes, key, elapse }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('stolen'), { ttlMs: 150 }));
    await elapse(170);
    const taken = await bob.hold(bob.claim(key('stolen')));

    assert.deepEqual(await ann.renew(hold), { state: 'stolen' });
    assert.equal(await ann.release(hold), 'stolen');
    assert.equal(await ann.release(hold), 'stolen');
    assert.deepEqual(await ann.holders(key('stolen')), [taken.id]);
    assert.equal((await bob.renew(taken)).state, 'renewed');
    assert.equal(await bob.release(taken), 'released');
  });

  test('ends all holds by force, tells those who had them, and grants to who waits', async ({ processes, key }) => {
    const [ann, bob, cid] = await processes();
    const lock = key('forced');
    const permit = { permits: 2 };
    const holds = [await ann.hold(ann.claim(lock, permit)), await bob.hold(bob.claim(lock, permit))];
    const claim = await cid.wait(cid.claim(lock, permit));

    assert.equal(await cid.driver.force(lock), 2);
    await cid.toldOf(claim);
    assert.deepEqual(await cid.holders(lock), [claim.id]);
    for (const [process, hold] of [[ann, holds[0]!] as const, [bob, holds[1]!] as const]) {
      await eventually(() => process.forced[0], 'the end of a hold to be told');
      assert.deepEqual(process.forced, [hold.id]);
      // A store may remember the end of the last hold only.
      assert.notEqual((await process.renew(hold)).state, 'renewed');
      assert.notEqual(await process.release(hold), 'released');
    }
    assert.deepEqual(cid.forced, []);
    assert.deepEqual(await cid.holders(lock), [claim.id]);
    assert.equal(await cid.driver.force(lock), 1);
    assert.equal(await cid.driver.force(lock), 0);
    assert.equal(await cid.driver.force(key('forced:never')), 0);
  });

  test('says of a hold that was taken away by force that it was', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('forced:one')));
    await bob.driver.force(key('forced:one'));

    assert.deepEqual(await ann.renew(hold), { state: 'forced' });
    assert.equal(await ann.release(hold), 'forced');
    const next = await bob.hold(bob.claim(key('forced:one')));
    assert.ok(next.token > hold.token);
    assert.equal(await ann.release(hold), 'forced');
    assert.deepEqual(await ann.holders(key('forced:one')), [next.id]);
  });

  test('renews each of several holds for itself', async ({ processes, key, elapse }) => {
    const [ann, bob] = await processes();
    const lasting = await ann.hold(ann.claim(key('each:1'), { ttlMs: 500 }));
    const over = await ann.hold(ann.claim(key('each:2'), { ttlMs: 150 }));
    await elapse(170);

    const renewals = [over, lasting].map((hold) => ({ ...hold, ttlMs: 60_000 }));
    const [second, first] = await ann.driver.renew(renewals, inTime());
    assert.deepEqual(second, { state: 'expired' });
    assert.equal(first!.state, 'renewed');
    await elapse(400);

    assert.deepEqual(await bob.holders(key('each:1')), [lasting.id]);
    assert.equal(await ann.release(lasting, over), 'expired', 'how the first ended that was not released');
    assert.equal(await ann.release(lasting, over), 'expired');
    assert.equal((await bob.try(bob.claim(key('each:1')), bob.claim(key('each:2')))).state, 'granted');
  });

  test('raises the token of a hold when it is told to, and grants none below it later', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('raised')));
    const raised = hold.token + 3_600_000_000n;

    const renewed = await ann.renew(hold, 60_000, raised);
    assert.ok(renewed.state === 'renewed' && renewed.token === raised);
    const kept = await ann.renew(hold, 60_000, hold.token);
    assert.ok(kept.state === 'renewed' && kept.token === raised, 'never lowered');
    assert.equal((await ann.look(key('raised'))).holders[0]!.token, raised);
    assert.equal(await ann.release({ ...hold, token: raised }), 'released');

    assert.ok((await bob.hold(bob.claim(key('raised')))).token > raised);
  });

  test('keeps a lock from others for so long after its grant, whatever its token is', async (scene) => {
    const { processes, key, elapse } = scene;
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('kept:ahead')));
    const token = hold.token + 3_600_000_000n;
    await ann.renew(hold, 60_000, token);

    assert.equal(await ann.driver.release([{ ...hold, token }], { keepMs: 200 }), 'released');
    await elapse(260);

    assert.ok((await bob.hold(bob.claim(key('kept:ahead')))).token > token);
  });

  test('gives up a place in the queue, and says how things stood', async ({ processes, key }) => {
    const [ann, bob, cid] = await processes();
    const lock = key('left');
    const hold = await ann.hold(ann.claim(lock));
    const first = await bob.wait(bob.claim(lock));
    const second = await cid.wait(cid.claim(lock));

    const stood: Busy = await cid.driver.leave(second);
    assert.deepEqual([stood.state, stood.position], ['busy', 2]);
    assert.deepEqual(stood.holder, { id: hold.id, token: hold.token });
    assert.ok(stood.remainingMs! > 50_000 && stood.remainingMs! <= 60_000);
    assert.deepEqual((await ann.look(lock)).waiters, [first.id]);
    assert.equal((await cid.driver.leave(second)).position, 0);

    await ann.release(hold);
    await bob.release(await bob.toldOf(first));
    assert.deepEqual(await ann.holders(lock), []);
    assert.equal(cid.granted.size, 0);
  });

  test('passes on what was granted to who leaves at that moment', async ({ processes, key }) => {
    const [ann, bob, cid] = await processes();
    const lock = key('left:granted');
    const hold = await ann.hold(ann.claim(lock));
    const [leaving, next] = [await bob.wait(bob.claim(lock)), await cid.wait(cid.claim(lock))];
    await ann.release(hold);
    assert.deepEqual(await ann.holders(lock), [leaving.id]);

    assert.equal((await bob.driver.leave(leaving)).position, 0);

    const passed = await cid.toldOf(next);
    await bob.driver.leave(leaving);
    assert.deepEqual(await ann.holders(lock), [next.id]);
    assert.equal(await cid.release(passed), 'released');
  });

  test('lets those in who waited behind one that did not fit, when it leaves', async ({ processes, key }) => {
    const [ann, bob, cid] = await processes();
    const lock = key('left:head');
    const hold = await ann.hold(ann.claim(lock, { permits: 3 }));
    const wide = await bob.wait(bob.claim(lock, { permits: 3, weight: 3 }));
    const narrow = await cid.wait(cid.claim(lock, { permits: 3 }));

    await bob.driver.leave(wide);

    await cid.toldOf(narrow);
    assert.deepEqual(await ann.holders(lock), [hold.id, narrow.id]);
  });

  test('grants to nobody for some time after the grant, though the hold is released', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob] = await scene.processes();
    const kept = await ann.hold(ann.claim(key('kept')));
    const over = await ann.hold(ann.claim(key('kept:over')));
    await elapse(100);

    assert.equal(await ann.driver.release([over], { keepMs: 80 }), 'released');
    assert.equal((await bob.try(bob.claim(key('kept:over')))).state, 'granted', 'counted from the grant');
    assert.equal(await ann.driver.release([kept], { keepMs: 500 }), 'released');
    assert.equal(await ann.release(kept), 'released');
    const busy = (await ann.try(ann.claim(key('kept')))) as Busy;
    assert.deepEqual([busy.state, busy.holder], ['busy', undefined]);
    assert.deepEqual(await bob.holders(key('kept')), []);
    const waiting = await bob.wait(bob.claim(key('kept')));
    assert.equal((await bob.beat(waiting)).tokens[0], undefined);
    await elapse(420);

    assert.ok((await bob.beat(waiting)).tokens[0]! > kept.token);
  });

  test('grants to nobody for the delay of a hold that has expired, and at once after a release', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob] = await scene.processes();
    const released = await ann.hold(ann.claim(key('delay:released'), { delayMs: 60_000 }));
    await ann.release(released);
    assert.equal((await bob.try(bob.claim(key('delay:released')))).state, 'granted');
    const lost = await ann.hold(ann.claim(key('delay'), { ttlMs: 150, delayMs: 400 }));
    await elapse(170);

    const busy = (await bob.try(bob.claim(key('delay')))) as Busy;
    assert.deepEqual([busy.state, busy.holder], ['busy', undefined]);
    assert.deepEqual(await bob.holders(key('delay')), []);
    assert.deepEqual(await ann.renew(lost), { state: 'expired' });
    const waiting = await bob.wait(bob.claim(key('delay')));
    assert.equal((await bob.beat(waiting)).tokens[0], undefined);
    await elapse(400);

    assert.notEqual((await bob.beat(waiting)).tokens[0], undefined);
  });
}
