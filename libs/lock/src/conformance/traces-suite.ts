import type { SceneTests } from './scene.js';
import { Trace, type Lock } from './trace.js';

const STEPS = 100;

export function describeTraces({ test, options }: SceneTests): void {
  for (const seed of [1, 2, 3, 4])
    test(`keeps order, permits and tokens through random calls of three processes (seed ${seed})`, async (scene) => {
      const lock = (name: string, permits: number): Lock => ({ key: scene.key(`trace:${seed}:${name}`), permits });
      const locks = [lock('a', 1), lock('b', 1), lock('c', 3), lock('d', 3)] as const;
      // A clock that is set only passes between the calls; where time passes by itself nothing is left to expire.
      const elapse = options.elapse && scene.elapse;
      await new Trace(seeded(seed), await scene.processes(), locks, elapse).run(STEPS);
    });
}

/** Numbers from 0 to below 1, the same for each seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
