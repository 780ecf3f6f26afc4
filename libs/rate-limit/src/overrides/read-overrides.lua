-- Reads all overrides of limits, unless they are many and nothing has changed.
--
-- KEYS[1]  the overrides, a hash; its field ':version' changes with each of them
-- ARGV[1]  the version that the reader knows, and how many fields it had
-- ARGV[3]  up to how many fields are always read: what was written by hand has left the version as it was
-- ARGV[4]  how long they are kept when no process reads them any more, milliseconds
-- Returns  the version, the number of fields, and the fields with their values, or false
local key = KEYS[1]
if redis.call('TYPE', key).ok ~= 'hash' then
  return { '', 0, {} }
end
local version, fields = redis.call('HGET', key, ':version') or '', redis.call('HLEN', key)
-- A write only now and then, also where somebody has taken the expiry away.
if redis.call('PTTL', key) < ARGV[4] / 2 then
  redis.call('PEXPIRE', key, ARGV[4])
end
if fields > tonumber(ARGV[3]) and version == ARGV[1] and fields == tonumber(ARGV[2]) then
  return { version, fields, false }
end
return { version, fields, redis.call('HGETALL', key) }
