-- Ends the life of a value, and keeps it for its grace.
-- KEYS[1]  the entry
-- KEYS[2]  the lease of its refresh, which is given to whoever asks next: the one under way is of no use any more
-- ARGV[1]  a new nonce for its version, so that a refresh that is under way does not store its result
-- Returns  1: there was a value or a placeholder. 0: there was nothing.
redis.call('DEL', KEYS[2])
local entry = redis.pcall('GET', KEYS[1])
if not entry then
  return 0
end
local written, ttl, rest, grace
if type(entry) == 'string' then
  local header = string.match(entry, '^(n1;v=[^\n]*)\n')
  written, ttl, rest = string.match(entry, '^n1;v=(%d+)%-%w+;l=(%d+)(.*)$')
  grace = header and string.match(header, ';g=(%d+)')
end
if not written or not grace then
  -- A placeholder, no grace, or nothing of ours: there is nothing to keep.
  return redis.call('DEL', KEYS[1])
end
local left = redis.call('PTTL', KEYS[1])
local keep = tonumber(grace)
if left >= 0 and left < keep then
  keep = left
end
redis.call('SET', KEYS[1], 'n1;v=' .. written .. '-' .. ARGV[1] .. ';l=0' .. rest, 'PX', math.max(keep, 1))
return 1
