import assert from 'node:assert/strict';
import type { Busy, Granted, Renewed } from '../drivers/lock-driver.js';
import type { SceneTests } from './scene.js';
import { tokenOf } from './test-process.js';

type RenewedHold = Extract<Renewed, { state: 'renewed' }>;

/** Invariants 1 and 2: how many are granted at one time, for how long, and under which tokens. */
export function describeGrants({ test }: SceneTests): void {
  test('grants a free lock, and says to others who holds it and for how long', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const hold = await ann.hold(ann.claim(key('taken')));

    const answer = (await bob.try(bob.claim(key('taken')))) as Busy;

    assert.equal(answer.state, 'busy');
    assert.equal(answer.position, 0);
    assert.deepEqual(answer.holder, { id: hold.id, token: hold.token });
    assert.ok(answer.remainingMs! > 50_000 && answer.remainingMs! <= 60_000);
    assert.equal((await ann.try(ann.claim(key('taken')))).state, 'busy', 'also not to its own process');
    assert.deepEqual(await bob.holders(key('taken')), [hold.id]);
  });

  test('grants to one only of many who ask at the same moment', async ({ processes, key }) => {
    const those = await processes();
    const ask = async (lock: string, permits: number): Promise<number> => {
      const asking = those.flatMap((one) => Array.from({ length: 10 }, () => one.try(one.claim(lock, { permits }))));
      return (await Promise.all(asking)).filter(({ state }) => state === 'granted').length;
    };

    assert.equal(await ask(key('rush:1'), 1), 1);
    assert.equal(await ask(key('rush:3'), 3), 3);
  });

  test('grants as many permits as a semaphore has, and again those that were given back', async ({
    processes,
    key,
  }) => {
    const [ann, bob] = await processes();
    const permit = { permits: 3 };
    const first = await ann.hold(ann.claim(key('semaphore'), permit));
    await bob.hold(bob.claim(key('semaphore'), { ...permit, weight: 2 }));

    assert.equal((await bob.try(bob.claim(key('semaphore'), permit))).state, 'busy');
    assert.equal(await ann.release(first), 'released');
    assert.equal((await ann.try(ann.claim(key('semaphore'), { ...permit, weight: 2 }))).state, 'busy');
    assert.equal((await ann.try(ann.claim(key('semaphore'), permit))).state, 'granted');
    const { holders } = await ann.look(key('semaphore'));
    assert.deepEqual(holders.map(({ weight }) => weight).sort(), [1, 2]);
  });

  test('lets readers in together, and a writer alone', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const [reader, writer] = [
      { permits: 1_000_000, weight: 1 },
      { permits: 1_000_000, weight: 1_000_000 },
    ];
    const first = await ann.hold(ann.claim(key('document'), reader));
    const second = await bob.hold(bob.claim(key('document'), reader));

    assert.equal((await bob.try(bob.claim(key('document'), writer))).state, 'busy');
    await ann.release(first);
    assert.equal((await bob.try(bob.claim(key('document'), writer))).state, 'busy');
    await bob.release(second);
    await bob.hold(bob.claim(key('document'), writer));
    assert.equal((await ann.try(ann.claim(key('document'), reader))).state, 'busy');
  });

  test('grants a lock that has expired to the next who asks', async ({ processes, key, elapse }) => {
    const [ann, bob] = await processes();
    const lost = await ann.hold(ann.claim(key('expires'), { ttlMs: 150 }));
    await elapse(170);

    assert.deepEqual(await bob.holders(key('expires')), []);
    const taken = await bob.hold(bob.claim(key('expires')));

    assert.ok(taken.token > lost.token);
  });

  test('gives a greater token with every grant, whoever gets it and however the last hold ended', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob] = await scene.processes();
    const lock = key('tokens');
    const tokens: bigint[] = [];
    for (let round = 0; round < 20; round++) {
      const process = round % 2 === 0 ? ann : bob;
      const hold = await process.hold(process.claim(lock, { ttlMs: 400 }));
      tokens.push(hold.token);
      const waiting = await bob.wait(bob.claim(lock, { ttlMs: 400 }));
      if (round === 5) await bob.driver.force(lock);
      else if (round === 10) await elapse(420);
      else await process.release(hold);
      const token = (await bob.beat(waiting)).tokens[0];
      tokens.push(token!);
      await bob.driver.leave(waiting);
    }

    assert.ok(
      tokens.every((token, index) => index === 0 || token > tokens[index - 1]!),
      tokens.join(' '),
    );
    // Microseconds since 1970: whoever has lost the last one begins beyond it.
    assert.ok(tokens[0]! > 1_600_000_000_000_000n && tokens[0]! < 2n ** 53n);
  });

  test('grants several locks at one moment under one token, or none of them', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const [one, two] = [key('several:1'), key('several:2')];
    assert.ok(ann.driver.together([one, two]));
    const before = await ann.hold(ann.claim(one));
    const taken = await bob.hold(bob.claim(two));

    const busy = (await ann.try(ann.claim(key('several:3')), ann.claim(two))) as Busy;
    assert.equal(busy.state, 'busy');
    assert.equal(busy.holder?.id, taken.id);
    assert.deepEqual(await ann.holders(key('several:3')), []);

    await ann.release(before);
    await bob.release(taken);
    const token = tokenOf(await ann.try(ann.claim(one), ann.claim(two)));
    assert.ok(token > before.token && token > taken.token);
    for (const lock of [one, two]) {
      assert.deepEqual(
        (await bob.look(lock)).holders.map((holder) => holder.token),
        [token],
      );
      assert.equal((await bob.try(bob.claim(lock))).state, 'busy');
    }
  });

  test('grants the same again, under the same token, to a try whose reply was lost', async (scene) => {
    const { key, elapse } = scene;
    const [ann, bob] = await scene.processes();
    const claims = [ann.claim(key('again:1')), ann.claim(key('again:2'))];
    const token = tokenOf(await ann.try(...claims));
    await elapse(50);

    const again = await ann.try(...claims);
    assert.equal(tokenOf(again), token);
    assert.equal((await bob.try(bob.claim(key('again:1')))).state, 'busy');
    for (const { key: lock, id } of claims) {
      assert.deepEqual(await bob.holders(lock), [id]);
      await ann.assertValid({ key: lock, id, token }, (again as Granted).since, 60_000);
    }
    assert.equal(await ann.release(...claims.map((claim) => ({ ...claim, token }))), 'released');
    assert.equal((await bob.try(bob.claim(key('again:1')), bob.claim(key('again:2')))).state, 'granted');
  });

  test('holds a lock in the store for at least as long as its holder believes', async ({ processes, key }) => {
    const [ann] = await processes();
    const claim = ann.claim(key('valid'), { ttlMs: 2_000 });

    const answer = await ann.try(claim);
    const hold = { ...claim, token: tokenOf(answer) };
    await ann.assertValid(hold, (answer as Granted).since, 2_000);
    const longer = await ann.renew(hold, 90_000);
    assert.equal(longer.state, 'renewed');
    await ann.assertValid(hold, (longer as RenewedHold).since, 90_000);
    const shorter = await ann.renew(hold, 1_000);
    await ann.assertValid(hold, (shorter as RenewedHold).since, 1_000);
  });

  test('lists what is held or waited for, with keys that begin as asked', async ({ processes, key }) => {
    const [ann, bob] = await processes();
    const held = await ann.hold(ann.claim(key('list[1]*:a')));
    const waited = await ann.hold(ann.claim(key('list[1]*:b'), { permits: 2, weight: 2, ttlMs: 30_000 }));
    const waiters = [
      await bob.wait(bob.claim(key('list[1]*:b'), { permits: 2 })),
      await ann.wait(ann.claim(key('list[1]*:b'), { permits: 2 })),
    ];
    await ann.release(await ann.hold(ann.claim(key('list[1]*:free'))));
    await ann.hold(ann.claim(key('list1:a')));

    const states = await bob.list(key('list[1]*'));

    assert.deepEqual(states.map((state) => state.key).sort(), [held.key, waited.key].sort());
    const { holders, waiters: ids } = states.find((state) => state.key === waited.key)!;
    assert.deepEqual(
      ids,
      waiters.map(({ id }) => id),
    );
    const [{ remainingMs, ...holder } = { remainingMs: 0 }, ...others] = holders;
    assert.deepEqual(holder, { id: waited.id, token: waited.token, weight: 2 });
    assert.ok(remainingMs > 25_000 && remainingMs <= 30_000);
    assert.equal(others.length, 0);
  });
}
