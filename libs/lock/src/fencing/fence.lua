-- Begins every script that writes under a lock.
--
-- fence(key, token, keep): the error to return if a higher token has been at the key before. Otherwise nil, and from now on lower
-- ones are refused, for at least `keep` milliseconds after the last call.
--
-- The key is a hash with the token in its field 'fence'. Tokens are decimal digits, compared as such: a number of Lua is
-- not exact beyond 2^53.
local function fence(key, token, keep)
  -- By hand there may stand anything.
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'hash' and kind ~= 'none' then
    redis.call('UNLINK', key)
  end
  local highest = redis.call('HGET', key, 'fence')
  if highest and string.find(highest, '^[1-9]%d*$') then
    if #highest > #token or (#highest == #token and highest > token) then
      return redis.error_reply('FENCED ' .. highest)
    end
  end
  redis.call('HSET', key, 'fence', token)
  if redis.call('PTTL', key) < tonumber(keep) then
    redis.call('PEXPIRE', key, keep)
  end
end
