import { lockOperations } from './lock-operations.mjs';

/** What exclusion costs within a process: a chain of promises for the one key, and no Redis. */
export async function open({ url, scenario }) {
  let last;
  const lock = {
    async acquire() {
      const ahead = last;
      let end;
      last = new Promise((resolve) => (end = resolve));
      await ahead;
      return {
        async release() {
          end();
          return 'released';
        },
      };
    },
  };
  return { ...lockOperations(lock, { url, scenario }), close: () => 'nothing is open' };
}
