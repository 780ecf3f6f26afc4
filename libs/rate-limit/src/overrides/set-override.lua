-- Stores an override of a limit, or takes one away, and tells all processes.
--
-- KEYS[1]  the overrides, a hash; its field ':version' changes with each of them
-- ARGV[1]  the field: a policy, or a policy, a colon and a subject
-- ARGV[2]  the value, JSON without its end; nothing to take it away
-- ARGV[3]  how many fields there may be
-- ARGV[4]  how long they are kept when no process reads them any more, milliseconds
-- ARGV[5]  the channel of the news, and what to publish there
-- Returns  1, or 0 if there are too many for one more of a single subject
--
-- Invariant: the policies are few, so only a new override of a single subject can be one too many.
local key, field, value = KEYS[1], ARGV[1], ARGV[2]
if redis.call('TYPE', key).ok ~= 'hash' then
  redis.call('UNLINK', key)
end
if value == '' then
  redis.call('HDEL', key, field)
else
  if string.find(field, ':', 1, true) and redis.call('HEXISTS', key, field) == 0 then
    if redis.call('HLEN', key) - redis.call('HEXISTS', key, ':version') >= tonumber(ARGV[3]) then
      return 0
    end
  end
  local time = redis.call('TIME')
  local since = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', key, field, value .. ',"since":' .. since .. '}')
end
-- By hand there may stand anything.
local version = redis.call('HGET', key, ':version') or '0'
if not string.find(version, '^%d+$') or #version > 15 then
  redis.call('HDEL', key, ':version')
end
redis.call('HINCRBY', key, ':version', 1)
redis.call('PEXPIRE', key, ARGV[4])
-- Where the ACL forbids the channel the others find it a few seconds later.
redis.pcall('PUBLISH', ARGV[5], ARGV[6])
return 1
