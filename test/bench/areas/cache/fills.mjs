import { FIRST_ID, keyOf } from '../../systems/records.mjs';

const AT_ONCE = 100_000;
const ROOT = 'app:cache:';
const FILL = `
for id = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local name = string.format('user:profile:%d', tonumber(ARGV[6]) + id)
  local value = '{"id":' .. id .. ',"note":"' .. ARGV[3] .. '"}'
  if ARGV[4] ~= '' then redis.call('SET', name, value, 'PX', 3600000) end
  local head = string.gsub(ARGV[5], 'ID', id)
  redis.call('SET', 'app:cache:default:' .. name, head .. value, 'PX', 3600000)
end`;

/** Writes entries as docs/wire-format.md has them, and beside them plain ones, without the detour of a client. */
export async function fill(control, entries, { bytes = 60, tag } = {}) {
  const [seconds] = await control.time();
  const tags = tag ? `;s=bench.0;t=${tag}` : '';
  const head = `n1;v=${seconds}000-ID;l=3600000${tags}\n`;
  for (let from = 0; from < entries; from += AT_ONCE) {
    const to = Math.min(from + AT_ONCE, entries);
    await control.eval(FILL, 0, from, to, 'x'.repeat(bytes), tag ? '' : 'plain', head, FIRST_ID);
  }
  if (!tag) return;
  await control.set(`${ROOT}{tags}`, 'bench.0.0');
  await control.zadd(`${ROOT}{tags}:stamps`, -1, '\0bench');
}

/** Throws unless some of the filled entries are there, and gone once their tag has been invalidated. */
export async function proveInvalidation(cache, entries, tag) {
  const some = Array.from({ length: Math.min(entries, 100) }, (_, index) =>
    keyOf(Math.floor((index * entries) / 100) % entries),
  );
  const unique = [...new Set(some)];
  const before = await cache.getMany(unique);
  await cache.invalidateTags(tag);
  const after = await cache.getMany(unique);
  if (before.size !== unique.length || after.size !== 0) {
    throw new Error(`Of ${unique.length} entries ${before.size} were there, and ${after.size} after the invalidation.`);
  }
}
